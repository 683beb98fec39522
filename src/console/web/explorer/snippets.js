// A request as a program: curl, Python, Go, Java, with nothing but each language's own library. Secrets come from the
// environment, never from here. A request is {isAction, needsToken, url, params}: url without query; params: [[name,
// value], …].
import { go, java, python, sh } from "./quote.js";
import { byBytes } from "./signing.js";

export const TOKEN = "CODECMETER_READ_TOKEN",
  PUBLIC_KEY = "UCLOUD_PUBLIC_KEY",
  PRIVATE_KEY = "UCLOUD_PRIVATE_KEY";

const lines = (...all) => all.flat().join("\n") + "\n";
// null: the value comes from the environment.
const sorted = (params) => [...params, ["PublicKey", null]].sort(([a], [b]) => byBytes(a, b));

// ---- curl ----

const curlAction = ({ url, params }) =>
  lines(
    "(",
    "set -- \\",
    sorted(params).map(
      ([name, value], index, { length }) =>
        "  " +
        (value === null ? `"PublicKey=\${${PUBLIC_KEY}:?}"` : sh(`${name}=${value}`)) +
        (index < length - 1 ? " \\" : ""),
    ),
    "text=",
    "for each; do text=$text${each%%=*}${each#*=}; done",
    `signature=$(printf %s "$text\${${PRIVATE_KEY}:?}" | sha1sum | cut -c 1-40)`,
    'for each; do shift; set -- "$@" --data-urlencode "$each"; done',
    `curl -sS ${sh(url)} "$@" --data-urlencode "Signature=$signature"`,
    ")",
  );

const curlGet = ({ needsToken, url, params }) =>
  lines(
    [
      `curl -sS -G ${sh(url)}`,
      ...(needsToken ? [`  -H "Authorization: Bearer \${${TOKEN}:?}"`] : []),
      ...params.map(([name, value]) => "  --data-urlencode " + sh(`${name}=${value}`)),
    ].join(" \\\n"),
  );

// ---- Python ----

const pythonEnd = [
  "try:",
  "    answer = urllib.request.urlopen(request)",
  "except urllib.error.HTTPError as error:",
  "    answer = error",
  "sys.stdout.buffer.write(answer.read())",
];

const pythonAction = ({ url, params }) =>
  lines(
    ["hashlib", "os", "sys", "urllib.error", "urllib.parse", "urllib.request"].map((name) => "import " + name),
    "",
    "params = {",
    params.map(([name, value]) => `    ${python(name)}: ${python(value)},`),
    `    "PublicKey": os.environ["${PUBLIC_KEY}"],`,
    "}",
    `text = "".join(name + params[name] for name in sorted(params)) + os.environ["${PRIVATE_KEY}"]`,
    'params["Signature"] = hashlib.sha1(text.encode()).hexdigest()',
    `request = urllib.request.Request(${python(url)}, urllib.parse.urlencode(params).encode())`,
    pythonEnd,
  );

const pythonGet = ({ needsToken, url, params }) =>
  lines(
    ["os", "sys", "urllib.error", "urllib.parse", "urllib.request"].map((name) => "import " + name),
    "",
    "params = [",
    params.map(([name, value]) => `    (${python(name)}, ${python(value)}),`),
    "]",
    `request = urllib.request.Request(${python(url + "?")} + urllib.parse.urlencode(params))`,
    needsToken ? `request.add_header("Authorization", "Bearer " + os.environ["${TOKEN}"])` : [],
    pythonEnd,
  );

// ---- Go ----

const goHead = (names) => ["package main", "", "import (", names.map((name) => `\t"${name}"`), ")", ""].flat();
const goCheck = ["\tif err != nil {", "\t\tpanic(err)", "\t}"];
const goEnd = [
  goCheck,
  "\tdefer answer.Body.Close()",
  "\tif _, err := io.Copy(os.Stdout, answer.Body); err != nil {",
  "\t\tpanic(err)",
  "\t}",
  "}",
].flat();

const goAction = ({ url, params }) =>
  lines(
    goHead(["crypto/sha1", "encoding/hex", "io", "net/http", "net/url", "os", "sort"]),
    "func main() {",
    "\tparams := url.Values{}",
    params.map(([name, value]) => `\tparams.Set(${go(name)}, ${go(value)})`),
    `\tparams.Set("PublicKey", os.Getenv("${PUBLIC_KEY}"))`,
    "\tnames := []string{}",
    "\tfor name := range params {",
    "\t\tnames = append(names, name)",
    "\t}",
    "\tsort.Strings(names)",
    '\ttext := ""',
    "\tfor _, name := range names {",
    "\t\ttext += name + params.Get(name)",
    "\t}",
    `\tsum := sha1.Sum([]byte(text + os.Getenv("${PRIVATE_KEY}")))`,
    '\tparams.Set("Signature", hex.EncodeToString(sum[:]))',
    `\tanswer, err := http.PostForm(${go(url)}, params)`,
    goEnd,
  );

const goGet = ({ needsToken, url, params }) =>
  lines(
    goHead(["io", "net/http", "net/url", "os"]),
    "func main() {",
    "\tparams := url.Values{}",
    params.map(([name, value]) => `\tparams.Add(${go(name)}, ${go(value)})`),
    `\trequest, err := http.NewRequest("GET", ${go(url + "?")}+params.Encode(), nil)`,
    goCheck,
    needsToken ? `\trequest.Header.Set("Authorization", "Bearer "+os.Getenv("${TOKEN}"))` : [],
    "\tanswer, err := http.DefaultClient.Do(request)",
    goEnd,
  );

// ---- Java ----

const javaHead = (names) => [
  ["java.net.URI", "java.net.URLEncoder", "java.net.http.HttpClient", "java.net.http.HttpRequest"].map(
    (name) => `import ${name};`,
  ),
  "import java.net.http.HttpResponse.BodyHandlers;",
  "import java.nio.charset.StandardCharsets;",
  names.map((name) => `import ${name};`),
  "",
  "public class Ask {",
  "  static String encode(String text) {",
  "    return URLEncoder.encode(text, StandardCharsets.UTF_8);",
  "  }",
  "",
  "  public static void main(String[] args) throws Exception {",
];
const javaEnd = [
  "    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();",
  "    System.out.write(client.send(request, BodyHandlers.ofByteArray()).body());",
  "    System.out.flush();",
  "  }",
  "}",
];

const javaAction = ({ url, params }) =>
  lines(
    javaHead(["java.security.MessageDigest", "java.util.TreeMap", "java.util.stream.Collectors"]).flat(),
    "    TreeMap<String, String> params = new TreeMap<>();",
    params.map(([name, value]) => `    params.put(${java(name)}, ${java(value)});`),
    `    params.put("PublicKey", System.getenv("${PUBLIC_KEY}"));`,
    "    StringBuilder text = new StringBuilder();",
    "    params.forEach((name, value) -> text.append(name).append(value));",
    `    text.append(System.getenv("${PRIVATE_KEY}"));`,
    "    StringBuilder signature = new StringBuilder();",
    '    byte[] sum = MessageDigest.getInstance("SHA-1").digest(text.toString().getBytes(StandardCharsets.UTF_8));',
    '    for (byte each : sum) signature.append(String.format("%02x", each));',
    '    params.put("Signature", signature.toString());',
    "    String body = params.entrySet().stream()",
    '        .map(each -> encode(each.getKey()) + "=" + encode(each.getValue())).collect(Collectors.joining("&"));',
    `    HttpRequest request = HttpRequest.newBuilder(URI.create(${java(url)}))`,
    '        .header("Content-Type", "application/x-www-form-urlencoded")',
    "        .POST(HttpRequest.BodyPublishers.ofString(body)).build();",
    javaEnd,
  );

const javaGet = ({ needsToken, url, params }) =>
  lines(
    javaHead(["java.util.StringJoiner"]).flat(),
    '    StringJoiner query = new StringJoiner("&");',
    params.map(([name, value]) => `    query.add(encode(${java(name)}) + "=" + encode(${java(value)}));`),
    `    HttpRequest request = HttpRequest.newBuilder(URI.create(${java(url + "?")} + query))`,
    needsToken ? `        .header("Authorization", "Bearer " + System.getenv("${TOKEN}"))` : [],
    "        .build();",
    javaEnd,
  );

// Each: [name, what the file is called, how it is made].
export const LANGUAGES = [
  ["curl", "ask.sh", (request) => (request.isAction ? curlAction : curlGet)(request)],
  ["Python", "ask.py", (request) => (request.isAction ? pythonAction : pythonGet)(request)],
  ["Go", "ask.go", (request) => (request.isAction ? goAction : goGet)(request)],
  ["Java", "Ask.java", (request) => (request.isAction ? javaAction : javaGet)(request)],
];
