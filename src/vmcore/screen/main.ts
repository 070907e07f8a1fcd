/** Entry of the thread that reads a core for the dashboard. */
import { serveCore } from '../thread.ts';

serveCore();
