// A text of the server's description: what is between backticks is code.
import { html } from "../vendor/preact.js";

export const Prose = ({ text }) =>
  text.split("`").map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : piece));
