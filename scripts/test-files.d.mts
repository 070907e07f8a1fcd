export function filesByStage(
  root: string,
  stages: readonly string[],
  words: readonly string[],
): Map<string, string[]>;
