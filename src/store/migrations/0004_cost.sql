-- What each model call has cost, in millionths of a millionth of a US dollar. Nothing where that is not known.
ALTER TABLE usage ADD COLUMN cost INTEGER;
