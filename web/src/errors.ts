/** What can be wrong with a file. Each message is one plain line that a page can show. */

export class RgoError extends Error {
  override name = "RgoError";
}

/** The bytes break a rule of the format: the file is damaged or is no .rgo file. */
export class CorruptFile extends RgoError {
  override name = "CorruptFile";
}

/** The file comes from a later release, or needs something that this decoder does not have. */
export class UnsupportedFile extends RgoError {
  override name = "UnsupportedFile";
}

/** The weights that the file names are not here, or are other weights of the same name. */
export class MissingWeights extends RgoError {
  override name = "MissingWeights";
}

/** The picture is larger than the reader allows. */
export class LimitExceeded extends RgoError {
  override name = "LimitExceeded";
}
