-- The number of revisions of closed windows for each cause; a revision may have several causes.
select
    why.cause,
    count(*) as revisions
from funnelproof.window_run as run
cross join unnest(run.causes) as why (cause)
where run.revision > 1
group by why.cause
order by revisions desc, why.cause asc
