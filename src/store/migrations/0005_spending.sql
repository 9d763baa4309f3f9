-- What keys, owners, addresses and routes have spent of their budgets, in millionths of a millionth of a US dollar: a row
-- for each day or month, by its name in UTC.
CREATE TABLE spending (
    subject TEXT NOT NULL,
    period TEXT NOT NULL,
    cost INTEGER NOT NULL CHECK (cost >= 0),
    PRIMARY KEY (subject, period)
) STRICT, WITHOUT ROWID;
