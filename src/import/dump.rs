//! What mysqldump and mariadb-dump write, read statement by statement into tables of `SQLite`, from which calendars are read as
//! from any other. The twin of sql/import/dump.sql.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::{Connection, params_from_iter, types::Value};

crate::queries!("import/dump.sql":
    BEGIN = "begin",
    TABLE = "table",
    ROW = "row",
    INDEX = "index",
    COMMIT = "commit",
);

/// How the names of tables end that are of use; those of Nextcloud begin in a way of their own.
const WANTED: [&str; 10] = [
    "principals",
    "groupmembers",
    "calendars",
    "calendarinstances",
    "calendarobjects",
    "calendarsubscriptions",
    "dav_shares",
    "dav_cal_proxy",
    "users",
    "preferences",
];
/// Octets of one value.
const LONGEST: usize = 256 << 20;
/// Columns of a table.
const MOST_COLUMNS: usize = 256;

/// Reads a dump into a new database in that file.
pub fn read(dump: &Path, into: &Path) -> Result<()> {
    let file = File::open(dump).with_context(|| dump.display().to_string())?;
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, file));
    let base = Connection::open(into).with_context(|| into.display().to_string())?;
    let read = statements(&mut reader, &base);
    read.with_context(|| format!("{}: line {}", dump.display(), reader.line))
}

/// Reads a dump from anything.
fn statements(reader: &mut Reader<impl BufRead>, base: &Connection) -> Result<()> {
    let mut tables = HashMap::new();
    base.execute_batch(BEGIN.text)?;
    while let Some(token) = reader.token()? {
        match token {
            Token::Word(word) if word.eq_ignore_ascii_case("create") => created(reader, base, &mut tables)?,
            Token::Word(word) if word.eq_ignore_ascii_case("insert") => inserted(reader, base, &tables)?,
            Token::Mark(b';') => {}
            _ => reader.skip()?,
        }
    }
    for table in tables.keys().filter(|name| name.ends_with("calendarobjects")) {
        base.execute_batch(&INDEX.text.replace("{table}", table))?;
    }
    Ok(base.execute_batch(COMMIT.text)?)
}

/// Tables that are of use, with their columns.
type Tables = HashMap<String, Vec<String>>;

fn is_wanted(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'$';
    name.bytes().all(plain) && WANTED.iter().any(|end| name.ends_with(end))
}

/// `CREATE TABLE name (column …, …) …;`
fn created(reader: &mut Reader<impl BufRead>, base: &Connection, tables: &mut Tables) -> Result<()> {
    let Some(Token::Word(what)) = reader.token()? else { return reader.skip() };
    if !what.eq_ignore_ascii_case("table") {
        return reader.skip();
    }
    let mut name = reader.token()?;
    while matches!(&name, Some(Token::Word(word)) if ["if", "not", "exists"].contains(&&*word.to_ascii_lowercase()))
    {
        name = reader.token()?;
    }
    let name = name.and_then(Token::name).filter(|name| is_wanted(name));
    let Some(name) = name.filter(|name| !tables.contains_key(name)) else { return reader.skip() };
    if reader.token()? != Some(Token::Mark(b'(')) {
        return reader.skip();
    }
    let (mut columns, mut depth, mut first) = (Vec::new(), 1, true);
    loop {
        match reader.token()?.context("it ends in the middle of a table")? {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') if depth == 1 => break,
            Token::Mark(b')') => depth -= 1,
            Token::Mark(b',') if depth == 1 => {
                first = true;
                continue;
            }
            // What begins with a word is a key.
            Token::Name(column) if first => columns.push(column),
            _ => {}
        }
        first = false;
    }
    if columns.is_empty() || columns.len() > MOST_COLUMNS {
        bail!("the table {name} has {} columns", columns.len());
    }
    base.execute_batch(&TABLE.text.replace("{table}", &name).replace("{columns}", &quoted(&columns)))?;
    tables.insert(name, columns);
    reader.skip()
}

fn quoted(columns: &[String]) -> String {
    let all: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    all.join(", ")
}

/// `INSERT INTO name [(column, …)] VALUES (…), (…);`
fn inserted(reader: &mut Reader<impl BufRead>, base: &Connection, tables: &Tables) -> Result<()> {
    let mut name = reader.token()?;
    while matches!(&name, Some(Token::Word(word)) if ["into", "ignore"].contains(&&*word.to_ascii_lowercase()))
    {
        name = reader.token()?;
    }
    let name = name.and_then(Token::name).unwrap_or_default();
    let Some(columns) = tables.get(&name) else { return reader.skip() };
    let (mut columns, mut token) = (columns.clone(), reader.token()?);
    if token == Some(Token::Mark(b'(')) {
        columns.clear();
        loop {
            match reader.token()? {
                Some(Token::Mark(b')')) => break,
                Some(Token::Mark(b',')) => {}
                Some(other) => columns.push(other.name().context("a column without a name")?),
                None => bail!("it ends in the middle of a row"),
            }
        }
        token = reader.token()?;
    }
    if !matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case("values")) {
        bail!("rows of {name} that are told in a way that is not known here");
    }
    let values = vec!["?"; columns.len()].join(", ");
    let text = ROW.text.replace("{table}", &name).replace("{columns}", &quoted(&columns));
    let mut row = base.prepare(&text.replace("{values}", &values))?;
    loop {
        match reader.token()? {
            Some(Token::Mark(b'(')) => {
                let values = values_of(reader)?;
                if values.len() != columns.len() {
                    bail!("a row of {name} has {} values, not {}", values.len(), columns.len());
                }
                row.execute(params_from_iter(values))?;
            }
            Some(Token::Mark(b',')) => {}
            Some(Token::Mark(b';')) | None => return Ok(()),
            Some(other) => bail!("{other:?} among the rows of {name}"),
        }
    }
}

/// The values of a row, up to its end.
fn values_of(reader: &mut Reader<impl BufRead>) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    loop {
        let value = match reader.token()?.context("it ends in the middle of a row")? {
            Token::Mark(b')') => return Ok(values),
            Token::Mark(b',') => continue,
            Token::Text(octets) => match String::from_utf8(octets) {
                Ok(text) => Value::Text(text),
                Err(error) => Value::Blob(error.into_bytes()),
            },
            Token::Octets(octets) => Value::Blob(octets),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Value::Null,
            // What says of which letters the text behind it is.
            Token::Word(word) if word.starts_with('_') => continue,
            Token::Word(word) => word.parse().map_or(Value::Text(word), Value::Integer),
            other => bail!("{other:?} is no value"),
        };
        if values.len() == MOST_COLUMNS {
            bail!("a row of more than {MOST_COLUMNS} values");
        }
        values.push(value);
    }
}

/// What a statement is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, or a number.
    Word(String),
    /// A name in its quotes.
    Name(String),
    /// Text.
    Text(Vec<u8>),
    /// Octets that are told as numbers.
    Octets(Vec<u8>),
    /// Any other sign.
    Mark(u8),
}

impl Token {
    fn name(self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(_) | Self::Octets(_) | Self::Mark(_) => None,
        }
    }
}

struct Reader<R> {
    source: R,
    ahead: Option<u8>,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    fn new(source: R) -> Self {
        Self { source, ahead: None, line: 1 }
    }

    fn next(&mut self) -> Result<Option<u8>> {
        if let Some(octet) = self.ahead.take() {
            return Ok(Some(octet));
        }
        let here = self.source.fill_buf()?;
        let Some(&octet) = here.first() else { return Ok(None) };
        self.source.consume(1);
        self.line += u64::from(octet == b'\n');
        Ok(Some(octet))
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        if self.ahead.is_none() {
            self.ahead = self.next()?;
        }
        Ok(self.ahead)
    }

    /// The next token; none at the end.
    fn token(&mut self) -> Result<Option<Token>> {
        loop {
            let Some(octet) = self.next()? else { return Ok(None) };
            return Ok(Some(match octet {
                b if b.is_ascii_whitespace() => continue,
                b'#' => {
                    self.rest_of_line()?;
                    continue;
                }
                b'-' if self.peek()? == Some(b'-') => {
                    self.rest_of_line()?;
                    continue;
                }
                b'/' if self.peek()? == Some(b'*') => {
                    self.comment()?;
                    continue;
                }
                b'`' => Token::Name(text(self.quoted(b'`')?)?),
                b'\'' | b'"' => Token::Text(self.quoted(octet)?),
                b if is_of_word(b) || b == b'-' => return self.word(b).map(Some),
                other => Token::Mark(other),
            }));
        }
    }

    fn word(&mut self, first: u8) -> Result<Token> {
        let mut word = vec![first];
        while let Some(octet) = self.peek()?.filter(|b| is_of_word(*b)) {
            self.next()?;
            push(&mut word, octet)?;
        }
        if word.eq_ignore_ascii_case(b"x") && self.peek()? == Some(b'\'') {
            self.next()?;
            let digits = self.quoted(b'\'')?;
            return Ok(Token::Octets(octets(&digits)?));
        }
        match word.strip_prefix(b"0x") {
            Some(digits) => Ok(Token::Octets(octets(digits)?)),
            None => Ok(Token::Word(text(word)?)),
        }
    }

    /// What stands up to the closing quote, which was doubled or escaped where it was meant.
    fn quoted(&mut self, quote: u8) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let octet = self.next()?.context("it ends in the middle of a text")?;
            match octet {
                b'\\' if quote != b'`' => {
                    let meant = match self.next()?.context("it ends in the middle of a text")? {
                        b'0' => 0,
                        b'b' => 8,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'Z' => 26,
                        other => other,
                    };
                    push(&mut all, meant)?;
                }
                b if b == quote => {
                    if self.peek()? != Some(quote) {
                        return Ok(all);
                    }
                    self.next()?;
                    push(&mut all, quote)?;
                }
                other => push(&mut all, other)?,
            }
        }
    }

    fn rest_of_line(&mut self) -> Result<()> {
        while self.next()?.is_some_and(|octet| octet != b'\n') {}
        Ok(())
    }

    /// What is for some versions of the server alone stands in comments, and is of no use here.
    fn comment(&mut self) -> Result<()> {
        self.next()?;
        while let Some(octet) = self.next()? {
            if octet == b'*' && self.peek()? == Some(b'/') {
                self.next()?;
                break;
            }
        }
        Ok(())
    }

    /// Passes over the rest of a statement.
    fn skip(&mut self) -> Result<()> {
        while self.token()?.is_some_and(|token| token != Token::Mark(b';')) {}
        Ok(())
    }
}

/// Letters of words and numbers; a name without quotes may have any letter of another script.
const fn is_of_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'$' | b'.' | b'@') || octet >= 0x80
}

fn push(all: &mut Vec<u8>, octet: u8) -> Result<()> {
    if all.len() >= LONGEST {
        bail!("a value of more than {} MiB", LONGEST >> 20);
    }
    all.push(octet);
    Ok(())
}

fn text(octets: Vec<u8>) -> Result<String> {
    String::from_utf8(octets).map_err(|_| anyhow!("a name that is no UTF-8"))
}

fn octets(digits: &[u8]) -> Result<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().context("octets that are told wrongly")
}

/// For fuzzing: what any octets are as a dump, without a word.
pub fn try_out(dump: &[u8]) {
    if let Ok(base) = Connection::open_in_memory() {
        let _ = statements(&mut Reader::new(BufReader::new(dump.take(u64::MAX))), &base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(dump: &str) -> Result<Connection> {
        let base = Connection::open_in_memory().unwrap();
        statements(&mut Reader::new(dump.as_bytes()), &base).map(|()| base)
    }

    const DUMP: &str = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump; it's here\n\
        /*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `oc_calendars`;\n\
        CREATE TABLE `oc_calendars` (\n  `id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT 'a, (b',\n  `uri` varchar(255) DEFAULT NULL,\n\
        `data` longblob,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `x` (`uri`,`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n\
        CREATE TABLE `oc_other` (`id` int);\nLOCK TABLES `oc_calendars` WRITE;\nINSERT INTO `oc_other` VALUES (1),(2);\n\
        INSERT INTO `oc_calendars` VALUES (1,'it''s \\'so\\';\\r\\n \\\\ ä',0x41420D0A),(-2,NULL,_binary 'x\\0y'),\n(3,\"q\",X'ff');\n\
        INSERT INTO `oc_calendars` (`uri`, `id`) VALUES ('only',4);\nUNLOCK TABLES;\n";

    #[test]
    fn rows_are_what_was_dumped() {
        let base = base(DUMP).unwrap();
        let row = |id: i64| {
            let found = base.query_row("SELECT uri, data FROM oc_calendars WHERE id = ?1", [id], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Value>(1)?))
            });
            found.unwrap()
        };
        assert_eq!(row(1), (Some("it's 'so';\r\n \\ ä".to_owned()), Value::Blob(b"AB\r\n".to_vec())));
        assert_eq!(row(-2), (None, Value::Text("x\0y".to_owned())));
        assert_eq!(row(3), (Some("q".to_owned()), Value::Blob(vec![0xff])));
        assert_eq!(row(4), (Some("only".to_owned()), Value::Null));
        let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table'";
        assert_eq!(base.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }

    #[test]
    fn a_dump_that_is_cut_off_is_told() {
        let table = "CREATE TABLE `calendars` (`id` int, `uri` text);";
        for (rest, why) in [
            ("INSERT INTO `calendars` VALUES (1,'a", "middle of a text"),
            ("INSERT INTO `calendars` VALUES (1,", "middle of a row"),
            ("INSERT INTO `calendars` VALUES (1);", "has 1 values, not 2"),
            ("INSERT INTO `calendars` SELECT 1;", "not known here"),
            ("INSERT INTO `calendars` VALUES (1,0xF);", "told wrongly"),
            ("INSERT INTO `calendars` VALUES (1,`a`);", "is no value"),
        ] {
            let fault = base(&format!("{table}{rest}")).unwrap_err();
            assert!(fault.to_string().contains(why), "{rest}: {fault}");
        }
        assert!(base("CREATE TABLE `calendars` (`id` int").is_err());
        assert!(base("CREATE TABLE `calendars` (PRIMARY KEY (`id`));").is_err());
    }

    /// Wherever a dump is cut off, and whatever octet of it is another, it is read or told.
    #[test]
    fn nothing_breaks_the_reader() {
        for at in 0..DUMP.len() {
            try_out(&DUMP.as_bytes()[..at]);
            let mut other = DUMP.as_bytes().to_vec();
            for octet in [0, b'\'', b'(', b'`', 0xff] {
                other[at] = octet;
                try_out(&other);
            }
        }
    }
}
