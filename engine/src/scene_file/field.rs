//! A JSON value that knows where in which scene it stands, so that whatever is wrong with it can be told.

use super::SceneError;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Magnitude that no coordinate exceeds.
const FARTHEST: f64 = 1e15;

/// A value under its key.
#[derive(Clone)]
pub(super) struct Field<'a> {
    scene: &'a str,
    key: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    pub(super) fn root(scene: &'a str, value: &'a Value) -> Self {
        Self { scene, key: String::new(), value }
    }

    fn path(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    fn of(&self, key: String, problem: impl Into<String>) -> SceneError {
        SceneError::Value { scene: self.scene.to_owned(), key, problem: problem.into() }
    }

    /// That something is wrong with it.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> SceneError {
        let key = if self.key.is_empty() { "the scene" } else { &self.key };
        self.of(key.to_owned(), problem)
    }

    /// What is under `key`, unless nothing or null is.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { scene: self.scene, key: self.path(key), value })
    }

    pub(super) fn need(&self, key: &str) -> Result<Self, SceneError> {
        self.get(key).ok_or_else(|| self.of(self.path(key), "is missing"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, SceneError> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list"))?;
        let field = |(i, value)| Self { scene: self.scene, key: format!("{}[{i}]", self.key), value };
        Ok(items.iter().enumerate().map(field).collect())
    }

    /// So many items.
    pub(super) fn list(&self, count: usize) -> Result<Vec<Self>, SceneError> {
        let items = self.items()?;
        if items.len() == count { Ok(items) } else { Err(self.wrong(format!("must have {count} items, not {}", items.len()))) }
    }

    pub(super) fn text(&self) -> Result<&'a str, SceneError> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a text"))
    }

    pub(super) fn flag(&self) -> Result<bool, SceneError> {
        self.value.as_bool().ok_or_else(|| self.wrong("must be true or false"))
    }

    /// A number that a coordinate may have.
    pub(super) fn number(&self) -> Result<f64, SceneError> {
        self.number_in(-FARTHEST..=FARTHEST)
    }

    pub(super) fn number_in(&self, range: RangeInclusive<f64>) -> Result<f64, SceneError> {
        let number = self.value.as_f64().ok_or_else(|| self.wrong("must be a number"))?;
        match range.contains(&number) {
            true => Ok(number),
            false => Err(self.wrong(format!("must be {} to {}, not {number}", range.start(), range.end()))),
        }
    }

    pub(super) fn whole(&self, range: RangeInclusive<u64>) -> Result<u64, SceneError> {
        let problem = || self.wrong(format!("must be a whole number from {} to {}", range.start(), range.end()));
        self.value.as_u64().filter(|n| range.contains(n)).ok_or_else(problem)
    }

    /// So many coordinates.
    pub(super) fn numbers(&self, count: usize) -> Result<Vec<f64>, SceneError> {
        self.list(count)?.iter().map(Self::number).collect()
    }

    /// Three coordinates.
    pub(super) fn triple(&self) -> Result<[f64; 3], SceneError> {
        let n = self.numbers(3)?;
        Ok([n[0], n[1], n[2]])
    }

    /// One of the names that `known` gives.
    pub(super) fn choice<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, SceneError> {
        let word = self.text()?;
        known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.wrong(format!("is \"{word}\", which is none of {}", names.join(", ")))
        })
    }
}
