//! Databases of other products: PostgreSQL, or a file of `SQLite`, read row by row. The twin of sql/import/base.sql.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use rusqlite::{Connection, OpenFlags, params_from_iter, types::ValueRef};

use crate::db::{Cell, Param, Pool, Query, Tx};

crate::queries!("import/base.sql": TABLES = "tables", LITE_TABLES = "lite_tables");

/// A database, as it is in one moment.
pub enum Base {
    /// Of PostgreSQL.
    Postgres(Box<Tx>),
    /// Of `SQLite`.
    Lite(Connection),
}

/// What a statement asks for.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Everything.
    All,
    /// What belongs to that number.
    Number(i64),
    /// What belongs to that name.
    Text(&'a str),
}

/// A row: its columns by their names.
#[derive(Debug, Default)]
pub struct Line(Vec<(String, Cell)>);

impl Base {
    /// The database of that pool.
    pub async fn postgres(pool: &Pool) -> Result<Self> {
        Ok(Self::Postgres(Box::new(pool.snapshot().await?)))
    }

    /// The database in that file, in which nothing is written.
    pub fn lite(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let base = Connection::open_with_flags(path, flags).with_context(|| path.display().to_string())?;
        // One moment in all statements; others may write meanwhile, where the file lets them.
        base.execute_batch("BEGIN").with_context(|| path.display().to_string())?;
        Ok(Self::Lite(base))
    }

    /// Which tables there are.
    pub async fn tables(&self) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let query = if matches!(self, Self::Lite(_)) { LITE_TABLES } else { TABLES };
        self.each(&query, Key::All, |line| {
            all.extend(line.text("name"));
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Gives the rows of a statement one after the other.
    pub async fn each(
        &self,
        query: &Query,
        key: Key<'_>,
        mut take: impl FnMut(Line) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Postgres(tx) => {
                let mut rows = match key {
                    Key::All => tx.stream(query, &[]).await?,
                    Key::Number(number) => tx.stream(query, &[&number as &dyn Param]).await?,
                    Key::Text(text) => tx.stream(query, &[&text as &dyn Param]).await?,
                };
                while let Some(row) = rows.next().await {
                    take(Line(row?.cells()?))?;
                }
                Ok(())
            }
            Self::Lite(base) => lite(base, query, key, take).with_context(|| query.name),
        }
    }

    /// All rows of a statement, where they are few.
    pub async fn all(&self, query: &Query, key: Key<'_>) -> Result<Vec<Line>> {
        let mut all = Vec::new();
        self.each(query, key, |line| {
            all.push(line);
            Ok(())
        })
        .await?;
        Ok(all)
    }
}

fn lite(
    base: &Connection,
    query: &Query,
    key: Key<'_>,
    mut take: impl FnMut(Line) -> Result<()>,
) -> Result<()> {
    let mut statement = base.prepare(query.text)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let key: Option<rusqlite::types::Value> = match key {
        Key::All => None,
        Key::Number(number) => Some(number.into()),
        Key::Text(text) => Some(text.to_owned().into()),
    };
    let mut rows = statement.query(params_from_iter(key))?;
    while let Some(row) = rows.next()? {
        let cell = |nth| {
            Ok(match row.get_ref(nth)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Number(number),
                ValueRef::Real(number) => Cell::Text(number.to_string()),
                ValueRef::Text(text) => Cell::of(text.to_vec()),
                ValueRef::Blob(octets) => Cell::Octets(octets.to_vec()),
            })
        };
        let cells: rusqlite::Result<Vec<Cell>> = (0..names.len()).map(cell).collect();
        take(Line(names.iter().cloned().zip(cells?).collect()))?;
    }
    Ok(())
}

impl Line {
    fn cell(&self, column: &str) -> &Cell {
        self.0.iter().find(|(name, _)| name == column).map_or(&Cell::Null, |(_, cell)| cell)
    }

    /// The text of a column; none where it is empty, or not there.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<String> {
        let text = match self.cell(column) {
            Cell::Null => return None,
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            // A dump may give text as octets.
            Cell::Octets(octets) => String::from_utf8(octets.clone()).ok()?,
        };
        (!text.is_empty()).then_some(text)
    }

    /// The number in a column.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<i64> {
        match self.cell(column) {
            Cell::Number(number) => Some(*number),
            _ => self.text(column)?.trim().parse().ok(),
        }
    }

    /// The octets of a column.
    #[must_use]
    pub fn octets(self, column: &str) -> Option<Vec<u8>> {
        match self.0.into_iter().find(|(name, _)| name == column)?.1 {
            Cell::Text(text) => Some(text.into_bytes()),
            Cell::Octets(octets) => Some(octets),
            Cell::Number(_) | Cell::Null => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_not_there_tells_nothing() {
        let line = Line(vec![
            ("a".to_owned(), Cell::Text("1 ".to_owned())),
            ("b".to_owned(), Cell::Number(2)),
            ("c".to_owned(), Cell::Octets(b"\xff".to_vec())),
            ("d".to_owned(), Cell::Text(String::new())),
        ]);
        assert_eq!(
            (line.text("b").as_deref(), line.number("a"), line.number("c")),
            (Some("2"), Some(1), None)
        );
        assert_eq!((line.text("d"), line.text("e"), line.text("c")), (None, None, None));
        assert_eq!(line.octets("c").unwrap(), b"\xff");
    }
}
