//! Two texts side by side, line for line, for whoever must mend the one or the other.

/// The lines of both, `-` before what is only expected, `+` before what only came; `same` says which lines agree.
pub fn lines(expected: &str, actual: &str, mut same: impl FnMut(&str, &str) -> bool) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let width = b.len() + 1;
    let agree: Vec<bool> =
        a.iter().flat_map(|x| b.iter().map(move |y| (x, y))).map(|(x, y)| same(x, y)).collect();
    let mut common = vec![0_usize; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if agree[i * b.len() + j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    let mut put = |mark: &str, line: &str| out = format!("{out}      {mark} {line}\n");
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && agree[i * b.len() + j] {
            put(" ", b[j]);
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            put("-", a[i]);
            i += 1;
        } else {
            put("+", b[j]);
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_differs_is_marked() {
        let marked = super::lines("a\nb\nc", "a\nx\nc\nd", |x, y| x == y);
        let marks: Vec<&str> = marked.lines().map(str::trim_start).collect();
        assert_eq!(marks, ["a", "- b", "+ x", "c", "+ d"]);
    }
}
