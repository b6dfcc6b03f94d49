/** Somebody who may ask for images, and within which limits. An absent limit is none. */
export interface Caller {
  /** Unique in the gateway, and stable: operations and limits belong to this name. */
  readonly name: string;
  /** Models it may use: a name, `name/version`, or a whole `art://` URI. Absent: every one. */
  readonly models?: readonly string[] | undefined;
  readonly imagesPerMinuteMax?: number | undefined;
  /** Images being made at the same time. */
  readonly concurrentImagesMax?: number | undefined;
  readonly imagesPerDayMax?: number | undefined;
}
