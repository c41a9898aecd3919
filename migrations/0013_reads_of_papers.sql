-- Who read one paper ("who looked at my form?"): asked on the paper's timeline, also of the days before it was moved.
create index log_by_paper on access.log (coalesce(document, authorization_id), id);
