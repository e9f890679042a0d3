//! Text from elsewhere, safe on a terminal.

/// One line: control characters (terminal escapes among them) are replaced,
/// and what was several lines becomes one.
pub(crate) fn line(text: &str) -> String {
    let words: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last `count` lines, each indented by `indent` and without control characters.
pub(crate) fn tail(text: &str, count: usize, indent: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(count);
    let clean = |line: &str| {
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    };
    lines[from..]
        .iter()
        .map(|line| format!("{indent}{}\n", clean(line).trim_end()))
        .collect()
}

/// At most `limit` characters, the last of them `…` if there were more.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// `1 agent`, `2 agents`.
pub(crate) fn count(number: impl Into<u64>, word: &str) -> String {
    match number.into() {
        1 => format!("1 {word}"),
        many => format!("{many} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_terminal_do_not_get_through() {
        assert_eq!(line("a\u{1b}[2Jb\r\nc\u{7}"), "a [2Jb c");
        assert!(!tail("x\u{1b}]0;title\u{7}\n", 5, "").contains('\u{1b}'));
    }

    #[test]
    fn the_last_lines_are_kept() {
        assert_eq!(tail("one\n\ntwo\nthree\n", 2, "  "), "  two\n  three\n");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("é€", 2), "é€");
    }
}
