-- Notes a doubt.
select funnelproof.note_doubt($1, $2)
