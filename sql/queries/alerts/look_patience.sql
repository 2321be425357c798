-- Lets a look compute between two statements: many pipelines are learned in minutes.
set local idle_in_transaction_session_timeout = '300s'
