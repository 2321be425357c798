-- The silences that hold now or will hold, the first to end first.
select
    silence.silence_id,
    silence.rule,
    silence.tenant_id,
    silence.pipeline_id,
    silence.starts_at,
    silence.ends_at,
    silence.reason,
    silence.author
from funnelproof.alert_silence as silence
where silence.ends_at > clock_timestamp()
order by silence.ends_at
