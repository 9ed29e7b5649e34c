//! How a section of an SQL file becomes a `Query`, at compile time.

/// One statement, as it stands in a file under sql/.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// File and section, as in `caldav/object.sql: put`.
    pub name: &'static str,
    /// The SQL, with `$1`, `$2`, … for its parameters.
    pub text: &'static str,
}

/// The section that the line `--: name` opens in the text of an SQL file. A missing section is a compile error.
///
/// # Panics
/// Where there is no such section.
#[must_use]
pub const fn section(file: &'static str, name: &'static str) -> &'static str {
    let (f, n) = (file.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at + 4 + n.len() < f.len() {
        let start = at + 4 + n.len() + 1;
        if is_mark(f, at) && same(f, at + 4, n) && f[start - 1] == b'\n' {
            let mut end = start;
            while end < f.len() && !is_mark(f, end) {
                end += 1;
            }
            let (_, tail) = file.split_at(start);
            return tail.split_at(end - start).0;
        }
        at += 1;
    }
    panic!("no such section in the SQL file")
}

const fn is_mark(f: &[u8], at: usize) -> bool {
    (at == 0 || f[at - 1] == b'\n') && at + 4 <= f.len() && same(f, at, b"--: ")
}

const fn same(f: &[u8], at: usize, n: &[u8]) -> bool {
    let mut k = 0;
    while k < n.len() {
        if f[at + k] != n[k] {
            return false;
        }
        k += 1;
    }
    true
}

/// `queries!("caldav/object.sql": PUT = "put", …)` declares a `Query` for each section, and `ALL`, which the tests walk.
/// The path is relative to sql/.
#[macro_export]
macro_rules! queries {
    ($file:literal: $($konst:ident = $name:literal),+ $(,)?) => {
        const SQL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $file));
        $(pub(crate) const $konst: $crate::db::Query =
            $crate::db::Query { name: concat!($file, ": ", $name), text: $crate::db::section(SQL, $name) };)+
        /// Every statement of the file.
        pub const ALL: &[$crate::db::Query] = &[$($konst),+];
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-- about\n--: one\nselect 1;\n\n--: one_more\nselect 2 --: not a mark\n";

    #[test]
    fn a_section_ends_where_the_next_begins() {
        assert_eq!(section(FILE, "one"), "select 1;\n\n");
        assert_eq!(section(FILE, "one_more"), "select 2 --: not a mark\n");
    }

    #[test]
    #[should_panic(expected = "no such section")]
    fn a_part_of_a_name_is_no_name() {
        let _ = section(FILE, "one_mor");
    }
}
