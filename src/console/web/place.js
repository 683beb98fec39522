// Where the console is: a view and its parameters, kept in the address behind `#`, so that Back and Forward work. A
// token is never part of it. Only strings: no dates are calculated in a browser, whose time zone is not the project's.

// "#/tasks?project=org-acme&tier=high" -> {view: "tasks", path: [], params: URLSearchParams}
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  return { view: view || "usage", path: rest.map(decode), params: new URLSearchParams(query) };
}

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

// The address of a view. params: [[name, value], …]; null is left out. "" is not: it is a filter of its own.
export function href(view, path, params) {
  const query = new URLSearchParams(params.filter(([, value]) => value !== undefined && value !== null)).toString();
  return "#/" + [view, ...path].map(encodeURIComponent).join("/") + (query ? "?" + query : "");
}

// Takes a token out of the address, at once: neither the address bar nor the history keeps it. "" if there is none.
export function takeToken() {
  const found = /^#token=(.*)$/.exec(location.hash);
  if (!found) return "";
  history.replaceState(null, "", location.pathname + location.search);
  return decode(found[1]);
}
