"""The templates of fixtures/jinja_cases.json."""

VARIABLES = {
    "s": "Hello, World",
    "u": "Grüße, 世界 🙂",
    "n": 7,
    "f": 2.5,
    "b": True,
    "z": None,
    "xs": [3, 1, 2],
    "words": ["pear", "Apple", "fig"],
    "empty": [],
    "d": {"b": 2, "a": 1, "C": [1, {"x": None}]},
    "quote": "it's \"so\"\n\ttab\\",
    "html": "<a href=\"x\">&'</a>",
    "lines": "one\ntwo\n\nthree",
    "users": [
        {"name": "ann", "age": 30, "tags": ["x"], "active": True},
        {"name": "Bob", "age": 25, "tags": [], "active": False},
        {"name": "cid", "age": 30, "tags": ["y", "z"], "active": True, "mail": None},
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!", "tool_calls": [{"function": {"name": "f", "arguments": {"k": 1}}}]},
    ],
    "tool": {"items": [1], "keys": "k", "type": "object", "properties": {"q": {"type": ["string", "null"]}}},
    "nested": [[1, 2], [3, [4, [5]]]],
    "big": 12345678901234567890,
    "floats": [0.1, 1e16, 1e15, 1e-5, 0.0001, 123456789.125, -0.0, 1e300, 3.0],
}

# Expressions, printed as {{ ... }}.
EXPRESSIONS = r"""
1 + 2 * 3 - 4
(1 + 2) * 3
2 ** 3 ** 2
-2 ** 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 / 2
6 / 2
7.5 // 2
-7.5 % 2
7.5 % -2
1 / 0
1 // 0
1 % 0
1.0 / 0
2 ** -1
0 ** -1
2 ** 0.5
1e3
1.5e-7
0x1F + 0b101 + 0o17
1_000_000
1.2.3
1 if true
1 if false
(1 if false) is defined
'a' if b else 'c'
'a' if not b else 'c' if n > 5 else 'e'
1 < 2 < 3
1 < 2 > 5
1 == 1.0
true == 1
'a' < 'b'
'a' < 1
[1, 2] < [1, 3]
[1] == (1,)
none == none
x == y
x != 1
x < 1
1 < x
x + 1
1 + x
'a' + x
x ~ 'a'
'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1, 'b']
'a' + 1
1 + 'a'
none + 'a'
'a' + none
[1] + [2]
[1] + (2,)
(1,) + (2, 3)
'ab' * 3
3 * 'ab'
[1, 2] * 2
'a' * 'b'
'a' * 1.5
'a' * -1
-'a'
+n
-n
- -n
not n
not not n
not n == 7
not n in [7]
n not in [7]
n in [7]
'lo' in s
'x' in d
'a' in d
1 in 'a'
'a' in n
'a' in none
'a' in x
x in [1]
n is odd
n is not odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is number
n is integer
f is float
f is integer
b is integer
b is boolean
b is true
b is false
z is none
z is not none
x is defined
x is undefined
s is string
s is mapping
d is mapping
d is iterable
d is sequence
xs is sequence
n is iterable
x is iterable
x is sequence
x is callable
range is callable
s is callable
's' is lower
'S' is upper
s is lower
'' is lower
n is eq 7
n is == 7
n is ne 7
n is gt 5
n is ge 7
n is lt 5
n is le 7
n is in [7]
n is sameas 7
z is sameas none
'upper' is filter
'uppr' is filter
'odd' is test
html is escaped
html|e is escaped
n is odd and b
n is odd or x.y
x is defined and x.y
x.y
x.y.z
x['y']
x()
s()
none.foo
none.foo.bar
d.b
d.C[1].x
d['a']
d['q']
d.q
d.q.r
d.get('a')
d.get('q')
d.get('q', 5)
d.get('q', default=5)
d.keys()
d.values()
d.items()
d.items()|list
d.keys()|list|sort
d.keys()|length
'a' in d.keys()
d.pop('a')
d.update({})
d.clear
d.clear()
d.clear is defined
d.copy()
d == d.copy()
xs.append(4)
xs.append
xs.pop()
xs.index(1)
xs.index(9)
xs.count(3)
xs.copy()
xs.foo
tool.items.x
tool.values is defined
tool.get is defined
xs[0]
xs[-1]
xs[9]
xs['a']
xs[1:]
xs[:1]
xs[::-1]
xs[-2:]
xs[5:]
xs[::2]
xs[2:0:-1]
xs[::0]
xs['a':]
s[0]
s[-1]
s[99]
s[1:4]
s[::-1]
s[::3]
u[7:9]
u[-1]
u[::-1]
u|length
n[0]
n[1:]
x[1:]
d[1:]
xs.0
xs.1
xs[n]
(1, 2)
(1,)
()
1, 2
[]
{}
{'a': 1, 'b': [1, 'x', none, true, 1.5, {'k': ()}]}
{1: 'a', 1.0: 'b', true: 'c'}
{(1, 2): 3}
{[1]: 2}
[1, 2,]
{'a': 1,}
floats
1e100
1e22
123456789012345680.0
0.1 + 0.2
1.0
100.0
-0.0
1e400
-1e400
big
big + 1
quote
[quote]
['\x00\x7f\xa0\u200b\U0001F600é']
["it's"]
['say "x"']
['\\']
'a\nb\tc\\d\'e'
'\u00e9\x41\101'
'\q'
'a' 'b' "c"
'unterminated
true, True, false, False, none, None
nope|default('d')
nope|d
z|default('d')
z|default('d', true)
''|default('d', true)
''|default('d', boolean=true)
nope.x|default('d')
s|upper
s|lower
s|title
'foo bar-baz (qux) "a" it\'s'|title
s|capitalize
u|upper
u|lower
'ß'|upper
'straße ŉ'|capitalize
'ΑΣ ΟΔΟΣ'|lower
'İ'|lower
'ﬁ'|title
s|length
n|length
none|length
nope|length
s|reverse
xs|reverse|list
d|reverse|list
range(3)|reverse|list
n|reverse
s|list
xs|first
empty|first
xs|last
empty|last
s|first
s|last
d|first
d|last
xs|map('string')|last
xs|join
xs|join(', ')
words|join(d='-')
users|join(', ', attribute='name')
s|join('.')
n|join
nope|join
xs|sort
xs|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
users|sort(attribute='age')|map(attribute='name')|list
users|sort(attribute='age,name')|map(attribute='name')|list
users|sort(true, attribute='age')|map(attribute='name')|list
[1, 'a']|sort
d|sort
d|dictsort
d|dictsort(true)
d|dictsort(reverse=true)
{'a': 2, 'b': 1}|dictsort(by='value')
d|dictsort(by='x')
xs|max
xs|min
words|max
words|min(case_sensitive=true)
users|max(attribute='age')
empty|max
xs|sum
users|sum(attribute='age')
users|sum('age', 100)
empty|sum
words|sum
nested|sum(start=[])
xs|unique|list
['a', 'A', 'b']|unique|list
['a', 'A', 'b']|unique(true)|list
users|unique(attribute='age')|map(attribute='name')|list
[[1], [1]]|unique|list
xs|batch(2)|list
xs|batch(2, 0)|list
xs|batch(0)|list
xs|slice(2)|list
xs|slice(2, 'x')|list
range(10)|slice(3)|list
xs|slice(0)|list
users|groupby('age')
users|groupby('age')|map('first')|list
users|groupby('name')|map(attribute='grouper')|list
users|groupby('mail', default='none')|length
xs|map('string')|list
xs|map('nope')|list
users|map(attribute='name')|list
users|map(attribute='mail')|list
users|map(attribute='mail', default='-')|list
users|map(attribute='tags.0')|list
users|map(attribute='tags.0', default='-')|list
words|map('upper')|join(' ')
words|map('replace', 'p', 'P')|list
words|map('default', 'x', true)|list
users|map('attr', 'name')|list
users|map(attribute='name')|length
users|map(attribute='name') is iterable
(users|map(attribute='name')) is sequence
xs|map|list
nope|map('upper')|list
none|map('upper')|list
xs|select('odd')|list
xs|select|list
[0, 1, '', 'a', none]|select|list
[0, 1, '', 'a', none]|reject|list
xs|reject('gt', 1)|list
xs|select('in', [1, 2])|list
xs|select('nope')|list
users|selectattr('active')|map(attribute='name')|list
users|selectattr('age', 'equalto', 30)|map(attribute='name')|list
users|selectattr('age', '==', 30)|list|length
users|selectattr('mail', 'defined')|list|length
users|selectattr('mail', 'none')|list|length
users|rejectattr('active')|map(attribute='name')|list
users|rejectattr('mail', 'undefined')|list|length
users|selectattr('tags')|list|length
messages|selectattr('role', 'equalto', 'user')|first
messages|selectattr('role', 'equalto', 'nobody')|first
(messages|selectattr('role', 'equalto', 'nobody')|list)|length
s|replace('l', 'L')
s|replace('l', 'L', 1)
s|replace('', '-')
s|replace('', '-', 3)
n|replace('7', 'x')
s|replace(1)
s|trim
'  a b  '|trim
'xxaxx'|trim('x')
none|trim
'\u3000 a\u00a0'|trim
s|truncate(5)
s|truncate(5, true)
s|truncate(5, true, '')
s|truncate(5, leeway=0)
s|truncate(9, false, '..', 0)
s|truncate(1)
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, blank=true)
lines|indent('> ', true, true)
''|indent(2, true)
n|indent
'a b c d e f'|wordwrap(3)
'aaaaaaa bb'|wordwrap(3)
'aaaaaaa bb'|wordwrap(3, false)
'well-known word-breaks here'|wordwrap(8)
'well-known word-breaks here'|wordwrap(8, break_on_hyphens=false)
'one--two three---four'|wordwrap(6)
'  lead and trail  '|wordwrap(6)
lines|wordwrap(2, wrapstring='|')
'a'|wordwrap(0)
lines|wordcount
'it\'s a-b c_d é'|wordcount
s|center(20)
s|center(21)
'ab'|center(5)
html|e
html|escape|e
html|forceescape
html|safe
('<'|safe) + '<'
('<'|e) ~ '<'
html|striptags
'<!-- x --> a <b>c</b>  &lt;d&gt;'|striptags
s|string
n|string|length
[1]|string
s|wordcount
'a b&c/d?é'|urlencode
{'a b': 'c/d', 'e': 1}|urlencode
[('a', 1)]|urlencode
n|urlencode
{'class': 'x', 'id': none, 'title': '<'}|xmlattr
{'class': 'x'}|xmlattr(false)
{'a b': 1}|xmlattr
'42'|int
' 42 '|int
'4_2'|int
'4__2'|int
'4.7'|int
'x'|int
'x'|int(5)
'x'|int(default=none)
'ff'|int(base=16)
'0xff'|int(0, 16)
'0b11'|int(base=0)
'-12'|int
4.9|int
-4.9|int
none|int
nope|int
true|int
'1e3'|int
'inf'|int
[]|int
'4.5'|float
'x'|float
'x'|float(1)
' -1e3 '|float
'nan'|float
'1_0.5'|float
none|float
n|float
5|round
2.5|round
3.5|round
2.675|round(2)
-2.5|round
1234.5678|round(-2)
1250.0|round(-2)
1234|round(-2)
1250|round(-2)
2.1|round(method='ceil')
2.9|round(0, 'floor')
2.123|round(2, 'ceil')
2.5|round(method='x')
'a'|round
-5|abs
-5.5|abs
'a'|abs
true|abs
1|filesizeformat
1000|filesizeformat
123456789|filesizeformat
123456789|filesizeformat(true)
d|items|list
nope|items|list
n|items|list
d|attr('a')
d|attr('get') is defined
s|attr('upper')()
'%s is %d'|format('x', 3)
'%(a)s'|format(a=1)
'%s'|format
'%s %s'|format(1)
'a'|format(1)
'%s' % 'x'
'%s-%s' % ('a', 1)
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%.2f %e %g %G' % (3.14159, 12345.678, 0.00001, 1e20)
'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)
'%r %s' % ('a', 'a')
'%c%c' % ('x', 65)
'%%' % ()
'%(a)s %(b)05.1f' % {'a': 1, 'b': 2.5}
'%s' % [1, 2]
'%s' % (none,)
'%d' % 'x'
'%d' % 3.7
'%z' % 1
'%' % 1
'%s' % ()
'%*d' % (5, 42)
'%.3s|%10.2s|' % ('abcdef', 'abc')
'%s' % nope
'a' % 1
'a' % {}
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format('a', 'b')
'{x} {y[a]} {y.a}'.format(x=1, y={'a': 2})
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:+} {:,} {:_}'.format(42, 42, 1234567, 1234567)
'{:x} {:X} {:b} {:o} {:#x} {:#b}'.format(255, 255, 5, 8, 255, 5)
'{:.2f} {:e} {:g} {:%} {:.1%}'.format(3.14159, 1234.5, 0.0001, 0.25, 0.256)
'{:10.3f}|{:<10.2e}|'.format(3.14159, 31415.9)
'{!r} {!s}'.format('a', 'a')
'{{}} {}'.format(1)
'{'.format(1)
'}'.format(1)
'{}'.format()
'{a}'.format()
'{:{w}}|'.format('a', w=5)
'{:d}'.format('a')
'{:s}'.format(1)
'{:c}'.format(65)
'{0.upper}'.format('a') is string
'{0.__class__}'.format('a')
'{:,.2f}'.format(1234567.891)
'{:010,}'.format(12345)
'{:<3}{:>3}'.format(true, 1)
'{:5}|'.format(true)
'{} {1}'.format(1, 2)
'{:.3}'.format('abcdef')
'{:.3}'.format(2.0)
'{:}'.format(none)
'{:5}'.format(none)
'{:n}'.format(5)
s.upper()
s.lower().title()
s.swapcase()
'ß'.casefold()
'hello world'.title()
'they\'re bill\'s'.title()
'ab cd'.capitalize()
'  x '.strip() ~ '|'
'  x '.lstrip() ~ '|'
'  x '.rstrip() ~ '|'
'xyax'.strip('xy')
'<think>a</think>b'.split('</think>')
'<think>a</think>b'.split('</think>')[-1].lstrip('\n')
'a b  c'.split()
'a b  c'.split(' ')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.rsplit(',')
' a b c '.split(none, 1)
' a b c '.rsplit(none, 1)
' a b c '.split(maxsplit=0)
''.split()
''.split(',')
'a'.split('')
lines.splitlines()
lines.splitlines(true)
'a\r\nb\rc\x0bd'.splitlines()
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('-')
'abc'.rpartition('-')
s.startswith('Hello')
s.startswith(('x', 'H'))
s.startswith('lo', 3)
s.startswith('x') or s.endswith('World')
s.endswith('o', 0, 5)
s.startswith(1)
s.startswith('', 99)
s.find('o')
s.find('o', 5)
s.find('o', -3)
s.find('zz')
s.rfind('o')
s.index('o')
s.index('zz')
u.find('世')
s.count('l')
s.count('')
s.count('o', 0, 5)
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.join(['a', 'b'])
', '.join(words)
', '.join([1])
', '.join(d)
'ab'.center(7, '*')
'ab'.ljust(5, '.') ~ '|'
'ab'.rjust(5) ~ '|'
'ab'.center(5, 'xx')
'-42'.zfill(6)
'42'.zfill(1)
'a\tbc\td'.expandtabs(4)
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'abc'.isalpha()
'abc1'.isalnum()
'123'.isdigit()
'½'.isnumeric()
'²'.isdigit()
''.isdigit()
' \n'.isspace()
'ABC'.isupper()
'abc'.islower()
'Abc Def'.istitle()
'é'.isascii()
'a_1'.isidentifier()
'a\n'.isprintable()
s.nope()
d.items is defined
tool.items is callable
tool['items']
tool.keys is string
s.__class__
s.__class__.__name__
''.__class__.__mro__
d.__len__
range(3)
range(1, 10, 3)|list
range(5, 0, -2)|list
range(0)|list
range(3)[1]
range(10)[2:5]
range(10)[::-2]|list
range(1.5)
range(100001)|length
range(1, 2, 0)
2 in range(3)
range(3) == range(0, 3, 1)
dict(a=1, b=2)
dict([('a', 1), ('b', 2)], c=3)
dict(d, a=9).a
dict({'a': 1})
dict(1)
dict.fromkeys(['a', 'b'], 0)
namespace(a=1).a
namespace(a=1)
namespace({'a': 2}).a
namespace(_a=1)
namespace(a=1).b
cycler()
raise_exception('Oh no: ' ~ n)
raise_exception()
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%dT%H:%M:%S')
d|tojson
d|tojson(indent=2)
d|tojson(indent=4)
d|tojson(indent='\t')
d|tojson(indent=0)
d|tojson(separators=(',', ':'))
d|tojson(indent=2, separators=(',', ':'))
{'b': 1, 'a': {'d': 2, 'c': 3}}|tojson(sort_keys=true)
u|tojson
u|tojson(ensure_ascii=true)
html|tojson
quote|tojson
'\x00\x1f\x7f\u2028'|tojson
floats|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
nope|tojson
d.items()|tojson
(1, 2)|tojson
[]|tojson(indent=2)
[{}]|tojson(indent=2)
xs|map('string')|tojson
'inf'|float|tojson
messages[2].tool_calls|tojson
messages|map(attribute='role')|unique|join(',')
messages[0]['role'] == 'system'
messages[-1].tool_calls[0].function.arguments|items|list
messages[1].tool_calls is defined
messages[1].tool_calls
messages[1].tool_calls.x
messages[9].role
messages[9]
loop
loop.index
caller()
varargs
n|nope
n is nope
n.real
n.bit_length()
f.is_integer()
[x for x in xs]
lambda: 1
n if
n |
n.
(n
[n
{'a': }
{'a'}
n n
f(a=1, 2)
dict(a=1, a=2)
dict(*[[('a', 1)]])
dict(**{'k': 1})
dict(**d)
dict(*1)
dict(**1)
'a'|replace(*['a', 'b'])
'a'|replace(**{'old': 'a', 'new': 'c'})
'a'|upper(1)
xs|join(', ', nope=1)
xs|sum is eq 6
xs|length > 2 and s|length < 20
xs|length == 3
-n|abs
-2|abs
(-2)|abs
not x is defined
x is not defined and not b
1 is odd is true
n is divisibleby 7 and b
n is divisibleby 7 == true
n is not none
'a' is in 'abc'
'a' is not in 'abc'
1 in [1] in [[1]]
{}.x
{'x': 1}.x
[1, 2][0]
'abc'[1]
(1, 2)[1]
{'a': {'b': 'c'}}['a']['b']
'%s' | format('x') | upper
s[:5] ~ s[5:]
"\"" ~ '\''
xs == [3, 1, 2]
d == {'a': 1, 'b': 2, 'C': [1, {'x': none}]}
[nope]
[nope, none] | tojson
{'a': nope}
(nope)|string
'a' == 'a' == 'a'
true and 'x'
false or 'y'
'' or none
0 and x.y
[] or {}
1 and 2 or 3
none is none
nope is none
'1' == 1
"é"|length
'a;b'
n;
'{{ x }}'
"%}"
1 ~ -1
-1 ~ 1
1 - -1
1--1
2*-3
2**-1
'a'.b.c
'a'['b']
'a'['upper']()
[1,2]['count'](1)
xs|first|string|length
"a"|upper ~ "b"|upper
1 + 2|abs
-3|abs + 1
[3,2,1]|sort|first
none|string
none|upper
none|list
none|join
nope|list
nope|sort
nope|upper ~ '|'
nope|replace('a', 'b') ~ '|'
nope|trim ~ '|'
nope|first
nope|last
nope|reverse|list
nope|abs
nope|round
nope|dictsort
nope|sum
nope|min
nope|unique|list
nope|batch(2)|list
nope|title
nope|wordcount
nope|e
nope|safe
nope|string|length
nope|attr('x')
nope|indent
nope|truncate
nope|select|list
nope|selectattr('x')|list
"".join(nope)
'a' in nope
nope == nope
nope != none
nope is odd
nope is lower
nope is string
nope is mapping
nope is number
nope is eq 1
nope is sameas nope
nope[0]
nope[:2]
nope * 2
-nope
nope // 1
nope ** 2
"%d" % nope
nope and 1
nope or 1
nope if nope else 'e'
not nope
""" + """
'Σ'|lower
'ΑΣ'|lower
'aΣb'|lower
'ǆ'|title
'ǆ'|upper
'ᾳ'|upper
""".lstrip("\n")

# Whole templates.
BLOCKS = [
    "",
    "plain",
    "plain\n",
    "plain\n\n",
    "a\r\nb\rc\n",
    "{{ 1 }}\n",
    "{% if b %}\nyes\n{% endif %}\nend",
    "  {% if b %}\n  yes\n  {% endif %}\nend",
    "a {% if b %} x {% endif %} z",
    "a {%- if b -%} x {%- endif -%} z",
    "a {%+ if b +%}\n x {%+ endif +%}\n z",
    "  {%+ if b %}\n  x\n  {%- endif %}\n z",
    "a\n\n{{- n -}}\n\nb",
    "a\n  {{ n }}\nb",
    "{#- c -#}  x",
    "x  {#- c #}\ny",
    "  {# c #}\ny",
    "a {# c #} b",
    "{# multi\nline #}\nz",
    "{# c +#}\nz",
    "\t {# c #}\t\nz",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "a {%- raw -%}  {{ x }}  {%- endraw -%} b",
    "  {% raw %}\n  {{ x }}\n  {% endraw %}\nb",
    "{% raw %}x",
    "{% raw +%}x{% endraw %}",
    "{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 2 %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% elif 1 %}bb{% else %}c{% endif %}",
    "{% if 0 %}a{% else %}c{% endif %}",
    "{% if x %}a{% endif %}",
    "{% if x.y %}a{% endif %}",
    "{% if 1 %}",
    "{% endif %}",
    "{% if 1 %}{% endfor %}",
    "{% if 1, %}t{% endif %}",
    "{% if b: %}t{% endif %}",
    "{% if a if b %}t{% endif %}",
    "{% if false %}{{ n|nope }}{% endif %}ok",
    "{% if true %}{{ n|nope }}{% endif %}ok",
    "{% if false %}{{ n is nope }}{% endif %}ok",
    "{{ n|nope if false else 'ok' }}",
    "{{ 'ok' if true else n|nope }}",
    "{% for i in xs %}{% if false %}{{ n|nope }}{% endif %}{% endfor %}",
    "{% if false %}{% for i in xs %}{{ n|nope }}{% endfor %}{% endif %}",
    "{% for x in xs %}{{ x }},{% endfor %}",
    "{% for x in xs -%} {{ x }} {%- endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in xs %}{{ loop.previtem.foo }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in xs %}{{ loop }}{% endfor %}",
    "{% for x in xs %}{{ loop.nope }}|{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {{ loop.last }};{% endfor %}",
    "{% for x in xs if loop.index > 1 %}{{ x }}{% endfor %}",
    "{% for x in xs if x > 5 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in empty %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [1] %}{% break %}{% else %}else{% endfor %}",
    "{% for x in [1, 2] %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in [1, 2] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %}else{% endfor %}",
    "{% for x in range(10) %}{% if x == 3 %}{% continue %}{% endif %}{% if x > 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, b) in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in [(1,)] %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}",
    "{% for x in 'héy' %}{{ x }}.{% endfor %}",
    "{% for x in none %}{% endfor %}",
    "{% for x in 5 %}{% endfor %}",
    "{% for x in nope %}x{% endfor %}ok",
    "{% for x in nope.y %}x{% endfor %}ok",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in xs recursive %}{{ x }}{% endfor %}",
    "{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in xs %}{{ loop(xs) }}{% endfor %}",
    "{% for a in xs %}{% for b in xs %}{{ loop.index }}{% endfor %}-{{ loop.index }};{% endfor %}",
    "{% for a in xs %}{% set o = loop %}{% for b in 'ab' %}{{ o.index }}{{ b }}{% endfor %}{% endfor %}",
    "{% for loop in xs %}{% endfor %}",
    "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    "{% for x in xs %}{% endfor %}{{ x }}",
    "{% set y = 1 %}{% for x in xs %}{% set y = x %}{% endfor %}{{ y }}",
    "{% for x in xs %}{{ y }}{% set y = x %}{{ y }};{% endfor %}",
    "{% set y = 0 %}{% for x in xs %}{{ y }}{% set y = x %}{{ y }};{% endfor %}",
    "{% set ns = namespace(y=0) %}{% for x in xs %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = ns.a + 1 %}{{ ns.b }}{{ ns }}",
    "{% set ns = namespace(a=1) %}{% set ns._b = 1 %}",
    "{% set ns = namespace(a=1) %}{{ ns['a'] }}{{ ns.b is defined }}{{ ns.b }}",
    "{% set d.a = 1 %}",
    "{% set nope.a = 1 %}",
    "{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{% if ns.last == -1 and m.role == 'user' %}{% set ns.last = index %}{% endif %}{% endfor %}{{ ns.last }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}",
    "{% set a, b = [1] %}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a | upper | replace('X', 'z') %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a %}{% set inner = 1 %}{% endset %}{{ inner }}",
    "{% set ns = namespace() %}{% set ns.t %}text{% endset %}{{ ns.t }}",
    "{% set a = 1 if nope %}{{ a }}|{{ a is defined }}",
    "{% set true = 1 %}",
    "{% set 1 = 1 %}",
    "{% set a.b.c = 1 %}",
    "{% set a['b'] = 1 %}",
    "{% set a %}",
    "{% set a = %}",
    "{% if b %}{% set y = 5 %}{% endif %}{{ y }}",
    "{% if not b %}{% set n = 5 %}{% endif %}{{ n }}",
    "{% if not b %}{% set q = 5 %}{% endif %}{{ q is defined }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% with a=1, b=2 %}{{ a }}{{ b }}{% endwith %}{{ a }}{{ b }}",
    "{% set a = 5 %}{% with a=1, c=a %}{{ a }}{{ c }}{% endwith %}{{ a }}",
    "{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=5) }}{{ m(c=1, a=2) }}",
    "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}",
    "{% macro m(a) %}[{{ a.b }}]{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{{ n }}{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{% if caller %}c{% else %}no{% endif %}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}",
    "{% call n %}{% endcall %}",
    "{% macro m(a, a) %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ m(1) }}{{ y }}",
    "{% macro m() %}{{ later }}{% endmacro %}{% set later = 9 %}{{ m() }}",
    "{% set y = 1 %}{% macro m() %}{{ y }}{% endmacro %}{% set y = 2 %}{{ m() }}",
    "{% for y in xs %}{% macro m() %}{{ y }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ i }}{% endmacro %}{% for i in xs %}{{ m() }}{% endfor %}",
    "{% for i in xs %}{% macro m() %}{{ i }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro fact(k) %}{{ k if k < 2 else k * (fact(k - 1)|int) }}{% endmacro %}{{ fact(10) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m(t) %}\n  {%- if t is mapping -%}\n    {%- for k, v in t.items() %}{{ k }}:{{ m(v) }};{% endfor -%}\n  {%- else -%}\n    {{- t -}}\n  {%- endif -%}\n{% endmacro %}{{ m({'a': {'b': 1}, 'c': 2}) }}",
    "{% macro m() %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.caller }}{{ m.nope }}",
    "{% macro m() %}  x  {% endmacro %}[{{ m()|trim }}]",
    "{% macro m() %}{% break %}{% endmacro %}",
    "{% for i in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}abc{% endfilter %}",
    "{% filter nope %}{% endfilter %}",
    "{% for i in xs %}{% filter upper %}a{% if i == 1 %}{% break %}{% endif %}{% endfilter %}{% endfor %}z",
    "{% for i in xs %}{% set q %}a{% if i == 1 %}{% continue %}{% endif %}{% endset %}{{ i }}{% endfor %}z",
    "{% generation %}a{{ n }}{% endgeneration %}b",
    "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}",
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}|{% endfor %}",
    "{% for i in xs %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% for i in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% block a %}x{{ n }}{% endblock %}y",
    "{% block a %}x{% endblock a %}y",
    "{% for i in xs %}{% block a scoped %}{{ i }}{% endblock %}{% endfor %}",
    "{% set q = 1 %}{% block a %}{{ q }}{% endblock %}",
    "{% print 1, 'a' %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% if false %}{% include 'x' %}{% endif %}ok",
    "{% do xs %}",
    "{% autoescape false %}{{ html }}{% endautoescape %}",
    "{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b{{ j() }}c",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set g = xs|map('string') %}{{ g|join }}-{{ g|join }}",
    "{% set g = xs|map('string') %}{% if g %}t{% endif %}{% for x in g %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% set g = xs|select('odd') %}{% for x in g %}{{ loop.length }}{{ x }}{% endfor %}",
    "{% set g = [1, 0]|map('abs') %}{{ g|first }}{{ g|first }}{{ g|first }}",
    "{% set g = [x.y] %}",
    "{% set ns = namespace(k=2) %}{% for x in xs if x == ns.k %}{{ x }}{% set ns.k = 9 %}{% endfor %}",
    "{% set ns = namespace(stop=false) %}{% for x in range(5) if not ns.stop %}{{ x }}{% if x == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}",
    "{%- for m in messages -%}\n  <|{{ m.role }}|>\n  {{ m['content'] | trim }}\n{%- endfor %}\n{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% for m in messages %}\n{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}\n{% endfor %}",
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set rest = messages %}{% endif %}{{ rest|length }}{{ sys }}",
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}",
    "{%- set text = '<think>\\nhm\\n</think>\\n\\nout' %}{%- if '</think>' in text %}{{ text.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}|{{ text.split('</think>')[-1].lstrip('\\n') }}{% endif %}",
    "{{ '{{' }}{{ '}}' }}{{ {'a': {'b': 1}} }}",
    "{{ {'a': {'b': 1}}}}",
    "{{- 1 -}} {{+ 1 }}",
    "{{ -1 }}{{-1}}",
    "{%if b%}x{%endif%}",
    "{%-if b-%} x {%-endif-%}",
    "{% if b %}\n\n\nx{% endif %}\n\n\ny",
    "x\n   {%- if b %}\n   y\n   {%- endif %}\n   z",
    "{{ n }}   \n   {% if b %}   \n   y",
    "{% if b %}{{ n }}\n{% endif %}\n",
    "\n{% if b %}\n\n{% endif %}\n\n",
    "  {{ n }}  {% if b %}  {% endif %}  ",
    "{% if b %}a{% endif %}   \n  {% if b %}b{% endif %}",
    "{{ n }}{# c #}\n{{ n }}",
    "{{ n }}{#- c -#}\n{{ n }}",
    "{{",
    "{{ 1",
    "{{ 1 }",
    "{%",
    "{% if",
    "{{ }}",
    "{% %}",
    "{{ 1 %}",
    "{% if 1 }}",
    "{ { 1 } }",
    "{",
    "}}",
    "%}",
    "#}",
    "{#",
    "{{ é }}",
    "{% set é = 1 %}{{ é }}",
    "{{ 1é }}",
    "{{ $ }}",
    "{{ a ? b : c }}",
    "{{ a && b }}",
    "{{ a = b }}",
    "{{ !a }}",
    "{{ 08 }}",
    "{{ 1.}}",
    "{{ .5 }}",
    "{{ 1..real }}",
    "{{ '\\x4' }}",
    "{{ '\\u12' }}",
    "{{ 'a\nb' }}",
    "{{ 'a\\\nb' }}",
    "{% for i in range(3) %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for u in users|sort(attribute='name') %}{{ u.name }} {% endfor %}",
    "{% for a, us in users|groupby('age') %}{{ a }}:{% for u in us %}{{ u.name }},{% endfor %};{% endfor %}",
    "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}",
    "{% for row in range(7)|batch(3, '-') %}{{ row|join }}|{% endfor %}",
    "{% for k, v in d|items %}{{ k }}{% endfor %}",
    "{% for k, v in tool.properties|items %}{{ k }}{{ v.type }}{% endfor %}",
    "{% for x in d.values() %}{{ x }};{% endfor %}",
    "{% for x in xs %}{% if loop.first %}F{% elif loop.last %}L{% else %}M{% endif %}{% endfor %}",
    "{% set x = xs %}{% set x = x + [9] %}{{ x }}",
    "{% set x = [] %}{% for i in xs %}{% set x = x + [i] %}{% endfor %}{{ x }}",
    "{% set s = s|replace('o', '0') %}{{ s }}",
    "{% set messages = messages[1:] %}{{ messages|length }}",
    "{% set a = 1 %}{% if b %}{% set a = 2 %}{% if b %}{% set a = 3 %}{% endif %}{% endif %}{{ a }}",
    "{% macro a() %}A{{ c() }}{% endmacro %}{% macro c() %}C{% endmacro %}{{ a() }}",
    "{% macro a() %}{% macro i() %}I{% endmacro %}{{ i() }}{% endmacro %}{{ a() }}",
    "{% macro outer() %}{{ caller() }}{% endmacro %}{% macro mid() %}{% call outer() %}<{{ caller() }}>{% endcall %}{% endmacro %}{% call mid() %}x{% endcall %}",
    "{% for i in xs %}{% call(v) m(i) %}{% endcall %}{% endfor %}{% macro m(i) %}{% endmacro %}",
    "{% macro m(i) %}{{ caller(i * 2) }}{% endmacro %}{% for i in xs %}{% call(v) m(i) %}{{ i }}:{{ v }},{% endcall %}{% endfor %}",
    "{{ range(3)|map('string')|map('upper')|list }}",
    "{{ xs|map('string')|select('in', ['1', '2'])|map('int')|sum }}",
    "{{ (xs|select('odd')|list|length) }}",
    "{% set t = 'a' %}{% set t = t ~ 'b' %}{% set t = t + 'c' %}{{ t }}",
    "{%- set ns = namespace(found=false, items=[]) -%}{%- for u in users -%}{%- if u.active -%}{%- set ns.items = ns.items + [u.name] -%}{%- endif -%}{%- endfor -%}{{ ns.items }}",
    "{% if tool.type is defined and tool.type == 'object' %}{{ tool.properties.q.type | join('|') }}{% endif %}",
    "{% if 'string' in tool.properties.q.type %}y{% endif %}",
    "{{ messages | map(attribute='content') | join('\\n') }}",
    "{{ messages | selectattr('role', 'in', ['user', 'system']) | list | length }}",
    "{{ (messages | last).content }}",
    "{{ messages[-1:][0].role }}",
    "{{ [1, 2, 3][1:][0] }}",
    "{% for m in messages[:-1] %}{{ m.role }} {% endfor %}",
    "{% for tc in messages[2].tool_calls %}{{ tc.function.name }}({{ tc.function.arguments|tojson }}){% endfor %}",
    "{% set args = messages[2].tool_calls[0].function.arguments %}{% if args is mapping %}{% for k, v in args|items %}{{ k }}={{ v|tojson if v is mapping or v is iterable else v|string }}{% endfor %}{% endif %}",
]


def templates():
    out = ["{{ " + e + " }}" for e in EXPRESSIONS.split("\n") if e]
    return out + BLOCKS
