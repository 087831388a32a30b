//! serde's `rename_all` rules for fields.

/// What a rule makes of a field's name.
pub(crate) type Rule = fn(&str) -> String;

/// The rules, by the names that serde gives them.
const RULES: [(&str, Rule); 8] = [
    ("lowercase", str::to_owned),
    ("UPPERCASE", str::to_ascii_uppercase),
    ("PascalCase", pascal),
    ("camelCase", camel),
    ("snake_case", str::to_owned),
    ("SCREAMING_SNAKE_CASE", str::to_ascii_uppercase),
    ("kebab-case", kebab),
    ("SCREAMING-KEBAB-CASE", |field| kebab(&field.to_ascii_uppercase())),
];

/// The rule of this name.
pub(crate) fn rule(name: &str) -> Option<Rule> {
    RULES.iter().find(|(rule, _)| *rule == name).map(|(_, apply)| *apply)
}

fn pascal(field: &str) -> String {
    let mut starts_word = true;
    let mut pascal = String::with_capacity(field.len());
    for letter in field.chars() {
        if letter == '_' {
            starts_word = true;
        } else if starts_word {
            pascal.push(letter.to_ascii_uppercase());
            starts_word = false;
        } else {
            pascal.push(letter);
        }
    }
    pascal
}

fn camel(field: &str) -> String {
    let pascal = pascal(field);
    let mut letters = pascal.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

fn kebab(field: &str) -> String {
    field.replace('_', "-")
}
