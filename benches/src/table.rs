//! Tables in Markdown, and the words around them.

use std::fmt;

const WIDTH: usize = 124;

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

/// The text with its sentences folded to the width of this repository, and its tables as they are.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.lines() {
        let mut column = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if column > 0 {
                let is_full = column + 1 + length > WIDTH && !line.starts_with('|');
                column = if is_full { 0 } else { column + 1 };
                folded.push(if is_full { '\n' } else { ' ' });
            }
            folded.push_str(word);
            column += length;
        }
        folded.push('\n');
    }
    folded
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
    fn sentences_are_folded_and_tables_are_not() {
        let (words, row) = (["word"; 30].join(" "), format!("|{}", " cell |".repeat(30)));
        let (first, second) = (["word"; 25].join(" "), ["word"; 5].join(" "));
        assert_eq!(folded(&format!("{words}\n\n{row}\n")), format!("{first}\n{second}\n\n{row}\n"));
    }

    #[test]
    fn numbers_have_blanks_between_thousands() {
        let told = [0.4, 999.0, 1000.0, 1_234_567.0, -100.0, -1000.0].map(number);
        assert_eq!(told, ["0", "999", "1 000", "1 234 567", "-100", "-1 000"]);
    }
}
