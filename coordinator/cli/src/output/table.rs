//! Tables without lines, aligned, one row a line wherever that fits.

use comfy_table::{ColumnConstraint, ContentArrangement};

/// Narrowest last column that can still be read when it wraps.
const LAST_COLUMN: usize = 16;
/// Blanks between columns.
const GAP: u16 = 2;

/// Rows under capital headers.
pub(crate) struct Table<const N: usize> {
    header: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headers and no rows.
    pub(crate) fn new(header: [&'static str; N]) -> Self {
        Self {
            header,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, for a terminal of its own width or for a pipe.
    pub(crate) fn render(&self) -> String {
        self.render_for(comfy_table::Table::new().width())
    }

    /// The table for `width` columns of text; `None`: never wrapped.
    fn render_for(&self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(self.header).add_rows(&self.rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        match width {
            Some(width) if self.wraps_well(width.into()) => wrap_last(&mut table, width),
            _ => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        table
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }

    /// Whether the last column has room enough beside the others in full.
    fn wraps_well(&self, width: usize) -> bool {
        let others: usize = (0..N.saturating_sub(1))
            .map(|column| self.widest(column) + usize::from(GAP))
            .sum();
        width >= others + LAST_COLUMN
    }

    fn widest(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(self.header[column].len())
    }
}

fn wrap_last(table: &mut comfy_table::Table, width: u16) {
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let last = table.column_count().saturating_sub(1);
    for column in table.column_iter_mut().take(last) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// `key   value` lines, the values in one column; those that are empty are left out.
pub(crate) fn fields<const N: usize>(fields: [(&str, String); N]) -> String {
    let shown = || {
        fields
            .iter()
            .filter(|(_, value)| !value.is_empty() && value != "-")
    };
    let width = shown()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    shown()
        .map(|(key, value)| format!("{key:<width$}  {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<2> {
        let mut table = Table::new(["NAME", "DETAIL"]);
        table.row([
            "tenant-1".into(),
            "waits for the stage before it, of which two machines are still soaking".into(),
        ]);
        table.row(["t2".into(), "-".into()]);
        table
    }

    #[test]
    fn in_a_pipe_a_row_is_a_line() {
        let text = table().render_for(None);
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.starts_with("NAME      DETAIL\ntenant-1  waits"),
            "{text}"
        );
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn on_a_terminal_only_the_last_column_wraps() {
        let text = table().render_for(Some(50));
        assert!(
            text.lines().all(|line| line.chars().count() <= 50),
            "{text}"
        );
        assert!(text.contains("\ntenant-1  waits"), "{text}");
        assert!(text.lines().count() > 3);
    }

    #[test]
    fn a_terminal_that_is_too_narrow_breaks_no_words() {
        assert_eq!(table().render_for(Some(20)), table().render_for(None));
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let text = fields([
            ("id", "codex-1-1".into()),
            ("reason", String::new()),
            ("started", "-".into()),
        ]);
        assert_eq!(text, "id  codex-1-1\n");
    }
}
