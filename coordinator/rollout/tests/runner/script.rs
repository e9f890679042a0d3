use super::Fault;

/// Widest line of an answer.
const WIDTH: usize = 118;

/// One piece of a file.
pub(super) enum Piece {
    /// `# …` or an empty line.
    Prose(String),
    /// `> …`, its block of `| …`, and room for what is answered.
    Command(Command),
}

/// Something to do or to ask.
pub(super) struct Command {
    /// Where it stands, from 1.
    pub(super) line: usize,
    /// Behind `> `.
    pub(super) text: String,
    /// Behind `| `, line by line.
    pub(super) block: Vec<String>,
}

/// Reads a file; the answers that stand in it are left out.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if let Some(command) = line.strip_prefix("> ") {
            pieces.push(Piece::Command(Command {
                line: number,
                text: command.trim_end().to_owned(),
                block: Vec::new(),
            }));
        } else if let Some(more) = line.strip_prefix('|') {
            let Some(Piece::Command(command)) = pieces.last_mut() else {
                return Err(Fault::at(number, "this line belongs to no command"));
            };
            let more = more.strip_prefix(' ').unwrap_or(more);
            command.block.push(more.trim_end().to_owned());
        } else if line.is_empty() || line.starts_with('#') {
            pieces.push(Piece::Prose(line.to_owned()));
        } else if !line.starts_with("    ") {
            let message = "a line is \"# prose\", \"> a command\", \"| more of it\", or an answer behind four blanks";
            return Err(Fault::at(number, message));
        }
    }
    check_opening(&pieces)?;
    Ok(pieces)
}

/// Who reads the file must know from its first words what it shows.
fn check_opening(pieces: &[Piece]) -> Result<(), Fault> {
    let opening: Vec<_> = pieces
        .iter()
        .map_while(|piece| match piece {
            Piece::Prose(line) => line.strip_prefix("# "),
            Piece::Command(_) => None,
        })
        .collect();
    if opening.join(" ").trim_end().ends_with('.') {
        return Ok(());
    }
    Err(Fault::at(
        1,
        "a scenario opens with a sentence that says which behaviour it shows",
    ))
}

/// An answer as it stands in the file: behind four blanks, long lines folded.
pub(super) fn indent(answer: &str, out: &mut String) {
    for line in answer.lines() {
        let own = line.len() - line.trim_start().len();
        let mut at = 4 + own;
        out.push_str(&" ".repeat(at));
        for (place, word) in line.split_whitespace().enumerate() {
            let width = word.chars().count();
            if place > 0 && at + 1 + width > WIDTH {
                at = 4 + own + 4;
                out.push('\n');
                out.push_str(&" ".repeat(at));
            } else if place > 0 {
                out.push(' ');
                at += 1;
            }
            out.push_str(word);
            at += width;
        }
        out.push('\n');
    }
}
