-- Notes that the slot exists, if $1 is true. Returns true if the slot was noted before, for the topic folded now.
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
