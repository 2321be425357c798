-- Claims a partition at an offset: from now on flushes from below the claimed offset are refused.
insert into funnelproof.partition_progress as progress (epoch, partition, claimed, worker)
values ($1, $2, $3, $4)
on conflict (epoch, partition) do update
    set claimed = greatest(progress.claimed, excluded.claimed), worker = excluded.worker
returning source_offset, flushes, flushed_by
