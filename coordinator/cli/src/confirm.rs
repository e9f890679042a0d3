//! Asking before something that cannot be taken back.

use std::io::{IsTerminal as _, Write as _};

use crate::error::Error;

/// Asks `question` on a terminal; passes at once with `--yes`.
///
/// # Errors
///
/// If the answer is not yes; usage, if there is no terminal to ask on.
pub(crate) fn confirm(yes: bool, question: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(format!(
            "nobody can be asked, since standard input is not a terminal; give --yes if this is meant: {question}"
        )));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().map_err(Error::Output)?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(Error::Input)?;
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Error::Declined)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "YES\n", " Yes "] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yess\n", "sure\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
