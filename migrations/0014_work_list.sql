-- The papers whose original is held, for the work list: few, among all that there are.
create index authorizations_by_original on views.authorizations (created_position) where to_position is null and original_held;
