//! Which image of several: what somebody chose of a plate, a collection or a group, made into the location of one image.
//!
//! Pure but for the look into a place, which is an argument.

use crate::OpenError;
use crate::place::Location;
use crate::survey::{Kind, Plate, Survey, WellImage};

/// Choices that an error names at most.
const MOST_NAMED: usize = 8;

/// What is chosen of a place that holds several images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Name or number of a multiscale image in a group of several.
    pub image: Option<String>,
    /// Number of an image of a bioformats2raw collection.
    pub series: Option<u32>,
    /// A well of a plate: its path, or what people call it ("B3").
    pub well: Option<String>,
    /// Number of a field of a well.
    pub field: Option<u32>,
}

/// One image of what may be several.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Where it is.
    pub location: Location,
    /// Where it is below what was looked into; empty if it is that itself.
    pub path: String,
    /// Where in a plate it lies, if it was found through one.
    pub field: Option<ChosenField>,
}

/// A field of a well of a plate.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenField {
    /// Where the plate is.
    pub base: Location,
    /// What the plate is called.
    pub name: String,
    /// The plate.
    pub plate: Plate,
    /// Position in the plate's wells.
    pub well: usize,
    /// The fields of that well.
    pub fields: Vec<WellImage>,
    /// Position among them.
    pub field: usize,
}

impl Selection {
    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is chosen at `location`. With `first` that is one image: of a plate without a chosen well the first, of a well without a
    /// chosen field the first, of a collection without a chosen number the first; else what is not chosen stays open. `look` tells what
    /// lies at a location, and is asked as far as needed.
    ///
    /// # Errors
    /// When there is no such thing; the error names some that there are. And those of `look`.
    pub fn choose(
        &self,
        location: &Location,
        first: bool,
        look: &dyn Fn(&Location) -> Result<Survey, OpenError>,
    ) -> Result<Chosen, OpenError> {
        let mut chosen = Chosen { location: location.clone(), path: String::new(), field: None };
        if let Some(series) = self.series {
            let found = look(location)?;
            chosen.enter(&found.series[nth(&found, "series", series, &found.series)?])?;
        } else if first || self.well.is_some() || self.field.is_some() {
            let found = look(location)?;
            match found.kind {
                Kind::Plate => self.choose_well(found, first, look, &mut chosen)?,
                Kind::Well if first || self.field.is_some() => {
                    self.refuse_well(&found)?;
                    let fields = fields_of(&found);
                    let field = nth(&found, "field", self.field.unwrap_or(0), &fields)?;
                    chosen.enter(&fields[field])?;
                }
                Kind::Series if first && self.well.is_none() && self.field.is_none() && !found.series.is_empty() => {
                    chosen.enter(&found.series[0])?;
                }
                _ if self.field.is_some() && self.well.is_none() => return Err(unfit(&found, "field")),
                _ => self.refuse_well(&found)?,
            }
        }
        if let Some(image) = &self.image {
            chosen.location = chosen.location.picking(Some(image.clone()));
        }
        Ok(chosen)
    }

    fn choose_well(
        &self,
        found: Survey,
        first: bool,
        look: &dyn Fn(&Location) -> Result<Survey, OpenError>,
        chosen: &mut Chosen,
    ) -> Result<(), OpenError> {
        let Some(plate) = &found.plate else { return Err(unfit(&found, "well")) };
        let well = match &self.well {
            Some(name) => well_called(plate, name).ok_or_else(|| {
                let there: Vec<String> = plate.wells.iter().map(|well| well.path.clone()).collect();
                none(&found, "well", name, &there)
            })?,
            None if plate.wells.is_empty() => return Err(unfit(&found, "well")),
            None => 0,
        };
        let base = chosen.location.clone();
        chosen.enter(&plate.wells[well].path)?;
        if !first && self.field.is_none() {
            return Ok(());
        }
        let inside = look(&chosen.location)?;
        let paths = fields_of(&inside);
        let field = nth(&inside, "field", self.field.unwrap_or(0), &paths)?;
        chosen.enter(&paths[field])?;
        chosen.field = Some(ChosenField {
            base,
            name: plate.name.clone().unwrap_or(found.name),
            plate: plate.clone(),
            well,
            fields: inside.well.unwrap_or_default().images,
            field,
        });
        Ok(())
    }

    /// A well can be chosen of a plate only.
    fn refuse_well(&self, found: &Survey) -> Result<(), OpenError> {
        if self.well.is_some() { Err(unfit(found, "well")) } else { Ok(()) }
    }
}

impl Chosen {
    /// Goes to `path` below.
    fn enter(&mut self, path: &str) -> Result<(), OpenError> {
        self.location = self.location.join(path)?;
        self.path = if self.path.is_empty() { path.to_owned() } else { format!("{}/{path}", self.path) };
        Ok(())
    }
}

impl ChosenField {
    /// Path of the well within the plate.
    pub fn well_path(&self) -> &str {
        &self.plate.wells[self.well].path
    }
}

fn fields_of(found: &Survey) -> Vec<String> {
    found.well.iter().flat_map(|well| well.images.iter().map(|image| image.path.clone())).collect()
}

/// Position of the well that people call `name`: its path, or row and column, in any case and with or without leading zeros.
pub fn well_called(plate: &Plate, name: &str) -> Option<usize> {
    let name = name.trim().trim_matches('/');
    if let Some(at) = plate.wells.iter().position(|well| well.path == name) {
        return Some(at);
    }
    let wanted = row_and_column(name)?;
    let named = |list: &[String], at: usize| list.get(at).cloned().unwrap_or_default();
    plate.wells.iter().position(|well| {
        let by_name = (plain(&named(&plate.rows, well.row)), plain(&named(&plate.columns, well.column)));
        by_name == wanted || row_and_column(&well.path).is_some_and(|path| path == wanted)
    })
}

/// "B/03", "B3" and "b03" alike.
fn row_and_column(name: &str) -> Option<(String, String)> {
    let (row, column) = name.split_once('/').or_else(|| name.find(|c: char| c.is_ascii_digit()).map(|at| name.split_at(at)))?;
    (!row.is_empty() && !column.is_empty()).then(|| (plain(row), plain(column)))
}

fn plain(name: &str) -> String {
    let name = name.trim().to_uppercase();
    let stripped = name.trim_start_matches('0');
    if stripped.is_empty() { name } else { stripped.to_owned() }
}

/// The number as a position in `there`.
fn nth(found: &Survey, what: &'static str, number: u32, there: &[String]) -> Result<usize, OpenError> {
    if there.is_empty() {
        return Err(unfit(found, what));
    }
    usize::try_from(number).ok().filter(|&n| n < there.len()).ok_or_else(|| none(found, what, &number.to_string(), there))
}

fn none(found: &Survey, what: &'static str, given: &str, there: &[String]) -> OpenError {
    let more = there.len().saturating_sub(MOST_NAMED);
    let mut named: Vec<&str> = there.iter().take(MOST_NAMED).map(String::as_str).collect();
    let rest = format!("and {more} more");
    if more > 0 {
        named.push(&rest);
    }
    let there = match what {
        "well" => named.join(", "),
        _ => format!("0 to {}", there.len() - 1),
    };
    OpenError::NoSuchChoice {
        location: found.location.clone(),
        problem: format!("has no {what} {given:?}: choose one of {there}"),
    }
}

fn unfit(found: &Survey, what: &'static str) -> OpenError {
    OpenError::NoSuchChoice {
        location: found.location.clone(),
        problem: format!("holds nothing to choose a {what} of: leave that out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{PlateWell, Well};

    /// A plate of two rows and three columns with two fields per well, a collection and an image.
    fn look(location: &Location) -> Result<Survey, OpenError> {
        let mut found = Survey::new("shown", "name", Kind::Image);
        let image = |path: &str| WellImage { path: path.to_owned(), acquisition: None };
        match location {
            place if [at("/p.zarr"), at("https://h/p.zarr?key=secret")].contains(place) => {
                found.kind = Kind::Plate;
                let wells = (0..6).map(|n| PlateWell {
                    path: format!("{}/{:02}", ["A", "B"][n / 3], n % 3 + 1),
                    row: n / 3,
                    column: n % 3,
                });
                found.plate = Some(Plate {
                    rows: vec!["A".into(), "B".into()],
                    columns: vec!["01".into(), "02".into(), "03".into()],
                    wells: wells.collect(),
                    ..Plate::default()
                });
            }
            place if *place == at("/s.zarr") => {
                found.kind = Kind::Series;
                found.series = vec!["0".into(), "1".into()];
            }
            place if *place == at("/i.zarr") => {}
            _ => {
                found.kind = Kind::Well;
                found.well = Some(Well { images: vec![image("0"), image("f1")] });
            }
        }
        Ok(found)
    }

    fn at(location: &str) -> Location {
        Location::parse(location).unwrap()
    }

    /// What is chosen, below what was given; checked against the location.
    fn choose(location: &str, selection: &Selection, first: bool) -> Result<String, String> {
        let chosen = selection.choose(&at(location), first, &look).map_err(|error| error.to_string())?;
        let expected = if chosen.path.is_empty() { at(location) } else { at(location).join(&chosen.path).unwrap() };
        assert_eq!(chosen.location, expected.picking(chosen.location.pick().map(str::to_owned)));
        Ok(chosen.path)
    }

    fn well(name: &str, field: Option<u32>) -> Selection {
        Selection { well: Some(name.to_owned()), field, ..Selection::default() }
    }

    #[test]
    fn a_well_is_found_by_whatever_people_call_it() {
        for name in ["B/03", "B3", "b03", "b/3", " B/3 ", "/B/03/"] {
            assert_eq!(choose("/p.zarr", &well(name, Some(1)), false), Ok("B/03/f1".to_owned()), "{name}");
        }
        assert_eq!(choose("/p.zarr", &well("B3", None), false), Ok("B/03".to_owned()));
        assert_eq!(choose("/p.zarr", &well("B3", None), true), Ok("B/03/0".to_owned()));
        for name in ["C1", "B4", "B", "3", "", "B/03/0"] {
            let error = choose("/p.zarr", &well(name, None), true).unwrap_err();
            assert!(error.contains("shown") && error.contains("A/01, A/02"), "{name}: {error}");
        }
        let error = choose("/p.zarr", &well("B3", Some(2)), true).unwrap_err();
        assert!(error.contains("no field \"2\"") && error.contains("0 to 1"), "{error}");
    }

    #[test]
    fn without_a_choice_the_first_is_taken_where_one_is_needed() {
        let nothing = Selection::default();
        assert_eq!(choose("/p.zarr", &nothing, true), Ok("A/01/0".to_owned()));
        assert_eq!(choose("/p.zarr", &nothing, false), Ok("".to_owned()));
        assert_eq!(choose("/s.zarr", &nothing, true), Ok("0".to_owned()));
        assert_eq!(choose("/p.zarr/A/01", &nothing, true), Ok("0".to_owned()));
        assert_eq!(choose("/i.zarr", &nothing, true), Ok("".to_owned()));
        let field = nothing.choose(&at("/p.zarr"), true, &look).unwrap().field.unwrap();
        assert_eq!((&field.base, field.well_path(), field.field, field.fields.len()), (&at("/p.zarr"), "A/01", 0, 2));
    }

    #[test]
    fn series_and_images_go_by_number_and_name() {
        let series = |n| Selection { series: Some(n), ..Selection::default() };
        assert_eq!(choose("/s.zarr", &series(1), true), Ok("1".to_owned()));
        assert!(choose("/s.zarr", &series(2), true).unwrap_err().contains("0 to 1"));
        assert!(choose("/i.zarr", &series(0), true).unwrap_err().contains("nothing to choose a series of"));
        assert!(choose("/i.zarr", &well("B3", None), true).unwrap_err().contains("nothing to choose a well of"));
        let image = Selection { image: Some("raw".into()), ..Selection::default() };
        for place in ["/i.zarr", "/i.zarr#other"] {
            let chosen = image.choose(&at(place), false, &look).unwrap();
            assert_eq!(chosen.location.pick(), Some("raw"), "{place}");
        }
    }

    #[test]
    fn an_error_names_no_url() {
        let error = choose("https://h/p.zarr?key=secret", &well("Z9", None), true).unwrap_err();
        assert!(!error.contains("secret") && !error.contains("https"), "{error}");
        assert_eq!(choose("https://h/p.zarr?key=secret", &well("B3", None), true), Ok("B/03/0".to_owned()));
    }
}
