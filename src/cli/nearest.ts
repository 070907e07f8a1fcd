/** Which known word was probably meant. */
export * from '../filter/nearest.ts';
