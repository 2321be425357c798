-- Counts of the published results: runs, revisions, estimated runs, windows with data, unresolved dead letters.
with
window_with_data as (
    select distinct
        fact.window_name,
        fact.window_start
    from dyno_crm.stage_conversion_current as fact
    where fact.entered_count > 0
),

dead_letter as (
    select letter.source_offset
    from funnelproof.dead_letter as letter
    where letter.resolved_at is null
)

select
    count(*) as runs,
    count(*) filter (where run.revision > 1) as revisions,
    count(*) filter (where proof.completeness = 'estimated') as estimated,
    (select count(*) from window_with_data) as windows_closed,
    (select count(*) from dead_letter) as dead_letters
from funnelproof.window_run as run
inner join funnelproof.proof on run.proof_id = proof.proof_id
