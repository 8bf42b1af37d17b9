//! Which image of several: flags that `serve` and `info` share.

use nc_engine::Selection;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct SelectArgs {
    /// Of a group with several images the one of this name or number
    #[arg(long, value_name = "NAME|N")]
    image: Option<String>,
    /// Of a bioformats2raw collection the image of this number
    #[arg(long, value_name = "N")]
    series: Option<u32>,
    /// Of a plate this well, such as B/03 or B3
    #[arg(long, conflicts_with = "series")]
    well: Option<String>,
    /// Of a well the field of this number, from 0
    #[arg(long, value_name = "N", conflicts_with = "series")]
    field: Option<u32>,
}

impl SelectArgs {
    pub(crate) fn selection(&self) -> Selection {
        Selection { image: self.image.clone(), series: self.series, well: self.well.clone(), field: self.field }
    }
}
