package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"tocsin/internal/api"
	"tocsin/internal/app"
	"tocsin/internal/report"
)

func newPeople() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "people",
		Short: "Let the first admin in, or somebody who lost every way to sign in",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeopleFirst(), newPeopleLink())
	return cmd
}

func newPeopleFirst() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "first [--data DIR]",
		Short: "Print a link for the first admin, while there is none",
		Long: `First prints a link by which somebody becomes the first admin: they say who they are, and make a passkey or set a
password. It works once, within a day, and ends the links before it.`,
		Args: noArgs,
	}
	data := dataFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return printLink(cmd, *data, func(n *app.Node, made *api.Invited) error { return n.Post(cmd.Context(), "/people/first", nil, made) })
	}
	return cmd
}

func newPeopleLink() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link [--data DIR] [--by NAME] LOGIN",
		Short: "Print a new link for somebody who lost every way to sign in",
		Long: `Link prints a new link for somebody: they make a passkey or set a password with it, and are signed in. It works once,
within a day, and is in the evidence log. Be sure that it is them who asks.`,
		Example: "  tocsin people link --data node ann@example.net",
		Args:    exactlyOne("one login"),
	}
	data := dataFlag(cmd)
	by := byFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return printLinkBy(cmd, *data, *by, func(n *app.Node, made *api.Invited) error {
			id, err := personOf(cmd, n, args[0])
			if err != nil {
				return err
			}
			return n.Post(cmd.Context(), "/people/"+url.PathEscape(id)+"/link", nil, made)
		})
	}
	return cmd
}

// personOf is the id of a login.
func personOf(cmd *cobra.Command, n *app.Node, login string) (string, error) {
	for after := ""; ; {
		var page struct {
			Items []api.Person `json:"items"`
			Next  string       `json:"next"`
		}
		if err := n.Get(cmd.Context(), "/people?limit=500&after="+url.QueryEscape(after), &page); err != nil {
			return "", err
		}
		for i := range page.Items {
			if page.Items[i].Login == login {
				return page.Items[i].ID, nil
			}
		}
		if after = page.Next; after == "" {
			return "", wrongUse("nobody has the login %s: an admin sees all logins under People", report.Printable(login))
		}
	}
}

func printLink(cmd *cobra.Command, data string, ask func(*app.Node, *api.Invited) error) error {
	return printLinkBy(cmd, data, "", ask)
}

// printLinkBy prints the link that a node makes.
func printLinkBy(cmd *cobra.Command, data, by string, ask func(*app.Node, *api.Invited) error) error {
	var made api.Invited
	if err := askNode(cmd, data, by, func(n *app.Node) error { return ask(n, &made) }); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), made.Link)
	return nil
}
