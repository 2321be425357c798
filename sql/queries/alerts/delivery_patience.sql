-- Lets this transaction wait for a receiver: a sender holds its lock while the receiver answers.
set local idle_in_transaction_session_timeout = '60s'
