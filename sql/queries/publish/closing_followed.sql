-- Notes the followed source and topic. Another source or topic than at the last proof is a doubt. A new topic is no
-- doubt if the topic begins with a snapshot, for example after `connector delete --topics` and `connector apply`: the
-- proof's marker has come through the topic's connector after the whole snapshot. Before the first proof with a marker,
-- the former topics are known by the epochs.
-- $1 system identifier, $2 timeline, $3 topic id
with
before as (
    select
        followed.*,
        followed.system_identifier || '/' || followed.timeline as source
    from funnelproof.followed
),

noted as (
    insert into funnelproof.followed as followed (system_identifier, timeline, topic_id)
    values ($1, $2, $3)
    on conflict (singleton) do update
        set
            system_identifier = excluded.system_identifier,
            timeline = excluded.timeline,
            topic_id = excluded.topic_id
        where
        (followed.system_identifier, followed.timeline, followed.topic_id)
        is distinct from (excluded.system_identifier, excluded.timeline, excluded.topic_id)
)

select funnelproof.note_doubt(found.kind, found.reason)
from (
    select
        'source' as kind,
        format(
            'the source is another Postgres or timeline: %s/%s, not %s', $1::text, $2::integer, before.source
        ) as reason
    from before
    where before.system_identifier <> $1 or before.timeline <> $2
    union all
    select
        'topic' as kind,
        'the CDC topic was made anew, and what was written before is not in it' as reason
    where
        coalesce(
            (select before.topic_id <> $3 from before),
            exists (select from funnelproof.window_run)
            and exists (select from funnelproof.epoch where epoch.topic_id <> $3)
        )
        and not exists (select from funnelproof.snapshot where snapshot.topic_id = $3)
) as found
