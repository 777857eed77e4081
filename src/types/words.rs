//! Enums of the words that a field of the wire can hold.

/// Defines an enum of the words that a field of the wire can hold.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
            /// Any other word, as it came.
            #[serde(untagged)]
            Other(String),
        }

        impl $name {
            /// Returns the word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                $(
                    let words = [$word $(, $alias)*];
                    if words.iter().any(|known| crate::types::same_word(known, &word)) {
                        return Self::$variant;
                    }
                )+
                Self::Other(word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// Whether two words of the wire are the same: case, spaces and punctuation do not count.
pub(crate) fn same_word(one: &str, other: &str) -> bool {
    one == other || letters(one).eq(letters(other))
}

fn letters(word: &str) -> impl Iterator<Item = char> {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::types::ProjectStatus;

    #[test]
    fn words_are_compared_without_case_and_spaces() {
        for word in ["In Progress", "IN_PROGRESS", "inprogress"] {
            let status = ProjectStatus::from(word.to_owned());
            assert_eq!(status, ProjectStatus::InProgress);
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept() {
        let other: ProjectStatus = serde_json::from_str("\"Archived\"").unwrap();
        assert_eq!(other.as_str(), "Archived");
        assert_eq!(serde_json::to_string(&other).unwrap(), "\"Archived\"");
    }
}
