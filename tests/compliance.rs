//! The pages of docs/compliance against the repository: each row is whole, and what it is shown by exists.

use std::fs;
use std::path::{Path, PathBuf};

/// The words a row's level is one of; `MAY` is for what is done although nobody must.
const LEVELS: [&str; 7] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "REQUIRED", "RECOMMENDED", "MAY"];

/// What stands in the last column before a reason.
const NOT_SHOWN: &str = "—: ";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages, in the order of their names.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/compliance")).into_iter().flatten().flatten();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_a(path, "md")).collect();
    pages.sort();
    pages
}

fn is_a(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|x| x == extension)
}

/// The cells of a row.
fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim).collect()
}

/// What is wrong with a row: `§ | level | what | shown by`, or on a page of cases `suite | case | what | shown by`.
fn judge(row: &[&str], of_rules: bool) -> Vec<String> {
    let &[section, level, what, shown] = row else { return vec![format!("{} columns", row.len())] };
    let mut faults = Vec::new();
    let mut unless = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    unless(!section.is_empty() && !level.is_empty(), "an empty cell");
    if of_rules {
        unless(section.chars().all(|c| c.is_ascii_alphanumeric() || ". ,".contains(c)), "no section");
        unless(LEVELS.contains(&level), "no level");
    }
    unless(what.split(' ').count() > 1, "says nothing");
    match shown.strip_prefix(NOT_SHOWN) {
        Some(reason) => unless(reason.split(' ').count() > 1, "no reason"),
        None => faults.extend(shown.split(", ").filter_map(|proof| missing(proof).err())),
    }
    faults
}

/// A proof is a transcript, or a test as `file: function`.
fn missing(proof: &str) -> Result<(), String> {
    let proof = proof.trim_matches('`');
    let (file, test) = proof.split_once(": ").map_or((proof, None), |(file, test)| (file, Some(test)));
    let content = fs::read_to_string(root().join(file)).map_err(|e| format!("{file:?}: {e}"))?;
    match test {
        Some(name) if content.contains(&format!("fn {name}(")) => Ok(()),
        Some(name) => Err(format!("{file} has no test {name:?}")),
        None if file.starts_with("tests/") && is_a(Path::new(file), "txt") => Ok(()),
        None => Err(format!("{file:?} is no transcript")),
    }
}

/// The rows of a page with their line numbers, behind the line of dashes, and whether they are of rules.
fn rows(text: &str) -> Vec<(usize, bool, Vec<&str>)> {
    let mut head = None;
    let mut rows = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with('|')) {
        if line.starts_with("|--") || line.starts_with("| --") {
            head = at.checked_sub(1).map(|above| cells(lines[above]).first() == Some(&"§"));
        } else if let (Some(of_rules), false) =
            (head, lines.get(at + 1).is_some_and(|l| l.starts_with("|--")))
        {
            rows.push((at + 1, of_rules, cells(line)));
        }
    }
    rows
}

#[test]
fn every_row_is_whole_and_what_shows_it_exists() {
    let mut faults = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        let rows = rows(&text);
        let reasons = rows.iter().filter(|(_, _, row)| row.last().is_some_and(|c| c.starts_with(NOT_SHOWN)));
        println!("{name}: {} rows, {} of them not shown but reasoned", rows.len(), reasons.count());
        if rows.is_empty() || !text.starts_with("# ") {
            faults.push(format!("docs/compliance/{name}: no heading, or no rows"));
        }
        for (line, of_rules, row) in rows {
            let of_row = judge(&row, of_rules);
            faults.extend(of_row.into_iter().map(|fault| format!("docs/compliance/{name}:{line}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
    assert!(!pages().is_empty(), "there are no pages");
}

#[test]
fn a_row_that_shows_nothing_is_found_out() {
    let whole = "tests/wire/put/create-then-change.txt, tests/wire.rs: every_transcript_holds";
    assert_eq!(judge(&["9.7.1", "MUST", "says something", whole], true), [""; 0]);
    assert_eq!(judge(&["9.7.1", "MUST", "says something", "—: nobody can see it"], true), [""; 0]);
    for row in [
        ["", "MUST", "says something", whole],
        ["9.7.1", "COULD", "says something", whole],
        ["9.7.1", "MUST", "", whole],
        ["9.7.1", "MUST", "says something", ""],
        ["9.7.1", "MUST", "says something", "—: "],
        ["9.7.1", "MUST", "says something", "tests/wire/put/of-nothing.txt"],
        ["9.7.1", "MUST", "says something", "tests/wire.rs: a_test_that_is_not_there"],
        ["9.7.1", "MUST", "says something", "Cargo.toml"],
    ] {
        assert_eq!(judge(&row, true).len(), 1, "{row:?}");
    }
    assert_eq!(judge(&["9.7.1", "MUST", "says something"], true), ["3 columns"]);
}
