-- Notes that the slot is there, if it is; returns whether it was there before, for the topic that is folded now.
with
folded as (
    select epoch.topic_id
    from funnelproof.epoch
    inner join funnelproof.installation using (epoch)
),

noted as (
    update funnelproof.followed
    set slot_topic_id = folded.topic_id
    from folded
    where $1::boolean and followed.slot_topic_id is distinct from folded.topic_id
)

select count(*) > 0
from funnelproof.followed
inner join folded on followed.slot_topic_id = folded.topic_id
