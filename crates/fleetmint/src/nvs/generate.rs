//! `fleetmint nvs generate`: an image from tables, as `nvs_partition_gen.py generate`.

use clap::Args;

use super::arguments::tables::Tables;
use crate::exit::Failure;
use crate::files;
use crate::terminal::say;

/// Create an image from tables, as nvs_partition_gen.py does
///
/// The image is byte for byte that of Espressif's generator. Where the generator silently writes a bad image, this command
/// reports the error with its line, and writes nothing.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    override_usage = "fleetmint nvs generate [OPTIONS] <IN.csv>... <OUT.bin> <SIZE>",
    after_long_help = "\
A table:
  key,type,encoding,value
  prov,namespace,,
  device_key,data,string,k1234567
  interval,data,u16,30
  ca,file,binary,certs/ca.der

The rows after a namespace belong to it. The encodings are u8 i8 u16 i16 u32 i32 u64 i64 float double string \
binary hex2bin base64 blob_fill(n;0xXX) blob_sz_fill(n;0xXX).

Examples:
  fleetmint nvs generate device.csv device.bin 0x6000
  fleetmint nvs generate site.csv device.csv device.bin 24K --outdir out

From 0x3000 bytes on, one page stays free, because the firmware needs it for writing. The firmware can only read \
a smaller partition, and its file has only the used pages."
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
