//! Tables in Markdown.

use std::fmt;

/// A table with a column of names and columns of figures.
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table without rows. The first heading is that of the names.
    #[must_use]
    pub fn new(headings: impl IntoIterator<Item: Into<String>>) -> Self {
        Self(vec![headings.into_iter().map(Into::into).collect()])
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item: Into<String>>) {
        self.0.push([name.into()].into_iter().chain(cells.into_iter().map(Into::into)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.0.iter().enumerate() {
            let cell = |cell: &String| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
            writeln!(f, "|{}", row.iter().map(cell).collect::<String>())?;
            if index == 0 {
                writeln!(f, "{}|", "|---".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

/// A whole number, with a blank between thousands.
#[must_use]
pub fn number(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(["", "read"]);
        table.row("floor", ["1 000"]);
        assert_eq!(table.to_string(), "| | read |\n|---|---|\n| floor | 1 000 |\n");
    }

    #[test]
    fn numbers_have_blanks_between_thousands() {
        let told = [0.4, 999.0, 1000.0, 1_234_567.0, -100.0, -1000.0].map(number);
        assert_eq!(told, ["0", "999", "1 000", "1 234 567", "-100", "-1 000"]);
    }
}
