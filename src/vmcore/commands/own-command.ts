/** What own commands say when they are called wrongly. */

/** One sentence: cause; remedy. The user wrote something that the command cannot take. */
export class CommandUsage extends Error {}
