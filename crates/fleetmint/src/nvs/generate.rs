//! `fleetmint nvs generate`: an image of tables, as `nvs_partition_gen.py generate`.

use clap::Args;

use super::arguments::tables::Tables;
use crate::exit::Failure;
use crate::files;
use crate::terminal::say;

/// Make an image of tables, as nvs_partition_gen.py does
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    override_usage = "fleetmint nvs generate [OPTIONS] <IN.csv>... <OUT.bin> <SIZE>",
    long_about = "Makes an image of one table or more, byte for byte as Espressif's nvs_partition_gen.py. Where that makes a bad \
        image in silence, this says what is wrong, with its line, and writes nothing.",
    after_long_help = "\
A table:
  key,type,encoding,value
  prov,namespace,,
  device_key,data,string,k1234567
  interval,data,u16,30
  ca,file,binary,certs/ca.der

What follows a namespace belongs to it. The encodings: u8 i8 u16 i16 u32 i32 u64 i64 float double string \
binary hex2bin base64 blob_fill(n;0xXX) blob_sz_fill(n;0xXX).

Examples:
  fleetmint nvs generate device.csv device.bin 0x6000
  fleetmint nvs generate site.csv device.csv device.bin 24K --outdir out

From 0x3000 bytes on one page stays free, which the firmware needs for writing. A smaller partition \
can only be read, and the file then holds the pages used alone."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    tables: Tables,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let built = arguments.tables.build()?;
    files::write(&built.path, &built.image, arguments.tables.force)?;
    say(format_args!("{}: {}", files::created(&built.path), built.summary));
    Ok(())
}
