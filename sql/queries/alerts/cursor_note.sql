-- Notes how far a rule has looked. After a close there is no memory until the new memory is kept: `cursor_remember`.
-- $1 rule, $2 kind, $3 tiling, $4 digest, $5 start of the last closed window, $6 publication
insert into funnelproof.alert_cursor as known (rule, window_name, tiling, digest, closed_start, proof_id)
values ($1, $2, $3, $4, $5, $6)
on conflict (rule, window_name, tiling) do update
    set
        digest = excluded.digest,
        closed_start = excluded.closed_start,
        proof_id = excluded.proof_id,
        memory_proof_id = case
            when known.closed_start is not distinct from excluded.closed_start then known.memory_proof_id
        end
