//! Tables in Markdown.

/// Prints a table with a title.
pub(crate) fn print<const N: usize>(title: &str, head: [&str; N], rows: &[[String; N]]) {
    println!("\n### {title}\n");
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(N));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}
