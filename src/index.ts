/** The library: the steps as typed async generators, for programs that embed them. */
export { select } from './package/select.ts'
