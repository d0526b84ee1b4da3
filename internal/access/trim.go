package access

import (
	"reflect"
	"slices"
)

// Shown is what a view of a record says of itself. The fields of such a struct say by a tag which field of the record
// they are, `access:"times"`; one that says nothing, or something that there is not, is never shown to anybody. A field that
// holds views of their own, or an embedded one, is judged by theirs.
type Shown interface{ Record() Record }

var shown = reflect.TypeFor[Shown]()

// Trim empties in what v points to each field that the caller may not see. It goes into structs, pointers, slices and
// maps; what is not within a Shown is envelope and stays.
func Trim(c *Caller, v any) {
	t := trimmer{c: c, sees: map[Record][]Field{}}
	t.trim(reflect.ValueOf(v))
}

type trimmer struct {
	c    *Caller
	sees map[Record][]Field
}

func (t *trimmer) trim(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			t.trim(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			one := reflect.New(v.Elem().Type()).Elem()
			one.Set(v.Elem())
			t.trim(one)
			v.Set(one)
		}
	case reflect.Slice, reflect.Array:
		if mayHold(v.Type().Elem()) {
			for i := range v.Len() {
				t.trim(v.Index(i))
			}
		}
	case reflect.Map:
		t.trimMap(v)
	case reflect.Struct:
		t.trimStruct(v)
	}
}

// trimMap trims copies of the values, which cannot be changed in their place.
func (t *trimmer) trimMap(v reflect.Value) {
	if !mayHold(v.Type().Elem()) {
		return
	}
	for _, k := range v.MapKeys() {
		one := reflect.New(v.Type().Elem()).Elem()
		one.Set(v.MapIndex(k))
		t.trim(one)
		v.SetMapIndex(k, one)
	}
}

func (t *trimmer) trimStruct(v reflect.Value) {
	typ := v.Type()
	var allowed []Field
	is := typ.Implements(shown)
	if is {
		allowed = t.fields(reflect.Zero(typ).Interface().(Shown).Record()) //nolint:forcetypeassert // it implements it
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct, Judged(f.Type):
			t.trim(v.Field(i))
			continue
		case !f.IsExported():
			continue
		}
		if is && !slices.Contains(allowed, Field(f.Tag.Get("access"))) {
			v.Field(i).SetZero()
			continue
		}
		t.trim(v.Field(i))
	}
}

func (t *trimmer) fields(r Record) []Field {
	all, ok := t.sees[r]
	if !ok {
		all = t.c.Fields(See, r)
		if r == Line { // what was asked for by a question that is logged: the answer belongs to it
			all = slices.Concat(all, t.c.Fields(Ask, r), t.c.Fields(Reveal, r))
		}
		t.sees[r] = all
	}
	return all
}

// Judged reports whether values of a type are views, or pointers to or lists of such: each is then judged by itself.
func Judged(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t.Implements(shown)
}

// mayHold reports whether values of a type can have a Shown in them.
func mayHold(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Map:
		return true
	}
	return false
}
