-- Keeps a part of the memory of a rule's detector. $1 rule, $2 kind, $3 tiling, $4 number of the part, $5 the part
insert into funnelproof.alert_memory (rule, window_name, tiling, part, content)
values ($1, $2, $3, $4, $5)
