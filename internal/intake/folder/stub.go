// Package folder stub.
package folder

import (
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
)

type File struct {
	Path, Name string
	Size       int64
}

func Walk(paths ...string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for _, p := range paths {
			filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				if strings.HasPrefix(d.Name(), ".") && path != p {
					if d.IsDir() {
						return fs.SkipDir
					}
					return nil
				}
				if d.Type().IsRegular() {
					i, _ := d.Info()
					if !yield(File{path, d.Name(), i.Size()}, nil) {
						return fs.SkipAll
					}
				}
				return nil
			})
		}
	}
}
