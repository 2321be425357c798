-- The evaluator of alerts, whether its session lives, and the seconds since its last look.
select
    evaluator.evaluator,
    evaluator.is_active,
    evaluator.held,
    evaluator.broken_rules,
    extract(epoch from clock_timestamp() - evaluator.looked_at)::double precision as age
from funnelproof.web_evaluator as evaluator
