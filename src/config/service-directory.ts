/** Where the service keeps what it must not lose. */
export function serviceDirectoryOf(settings: {
  readonly SERVICE_DIR: string | undefined;
  readonly DATA_DIR: string;
}): string {
  return settings.SERVICE_DIR ?? `${settings.DATA_DIR}/service`;
}
