//! Every command has examples, and every example is a command.

use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// The words of a line, as a shell reads them (quotes, no escapes); where the
/// output goes is the shell's.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('>', None) => break,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The examples of a command's help, each on one line: a backslash at the end
/// of a line goes on in the next; of a pipe, each part is one.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let joined = help.replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| line.starts_with("  pinion "))
        .flat_map(|line| line.split(" | "))
        .map(str::to_owned)
        .collect()
}

fn each_command(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&clap::Command, &str)) {
    visit(command, path);
    for inner in command.get_subcommands() {
        each_command(inner, &format!("{path} {}", inner.get_name()), visit);
    }
}

#[test]
fn the_arguments_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples_of_itself() {
    each_command(&Cli::command(), "pinion", &mut |command, path| {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.starts_with("Examples:\n"), "{path} has no examples");
        let own = examples(command)
            .iter()
            .any(|line| line.trim().starts_with(path));
        assert!(own, "no example of {path} is one of it");
    });
}

#[test]
fn every_example_in_the_help_can_be_typed() {
    let mut seen = 0;
    each_command(&Cli::command(), "pinion", &mut |command, path| {
        for line in examples(command) {
            let parsed = Cli::try_parse_from(words(line.trim()));
            assert!(
                parsed.is_ok(),
                "{path}: {line}\n{}",
                parsed.expect_err("not parsed")
            );
            seen += 1;
        }
    });
    assert!(seen > 40, "only {seen} examples were found");
}

#[test]
fn an_example_fits_a_narrow_terminal() {
    each_command(&Cli::command(), "pinion", &mut |command, path| {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() <= 98, "{path}: {line}");
        }
    });
}

#[test]
fn every_option_and_argument_is_explained() {
    each_command(&Cli::command(), "pinion", &mut |command, path| {
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{path}: {} has no help",
                argument.get_id()
            );
        }
    });
}
