-- Ends a silence now; no row if there is no such silence, or the silence has ended. $1 silence
update funnelproof.alert_silence
set ends_at = greatest(clock_timestamp(), starts_at + interval '1 microsecond')
where silence_id = $1 and ends_at > clock_timestamp()
returning silence_id
