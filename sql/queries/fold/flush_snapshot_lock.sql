-- Two workers that meet two snapshots at once must not each take theirs for the only one.
lock table funnelproof.snapshot in share row exclusive mode
